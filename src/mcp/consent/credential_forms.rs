//! Pages on which a person enters a carrier's keys: they go from the browser to this server and on to Truedy, never through the
//! client or the model. A page is one caller's, for one import, once, for five minutes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;

use crate::domain::{AccessField, Caller, CarrierAccess, Problem, hex, unguessable};
use crate::guard::Wanted;
use crate::redact::{Held, Secret};

/// Where pages are, below the origin of the server.
pub const KEY_PAGES: &str = "/enter/";
/// How long a page is open.
const LIFE: Duration = Duration::from_secs(300);
/// The most pages at a time, of one caller and of all.
const EACH: usize = 8;
const ALL: usize = 256;

/// Where a request came in, as the way in has checked it: the origin, and the path in front of ours, where there is one:
/// `https://mcp.example.com` or `https://example.com/truedy`.
#[derive(Debug, Clone)]
pub struct CameIn(pub String);

/// Starts what serves the pages of a program that has no address of its own; gives the origin.
pub type Opener = Box<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Where pages are served.
enum Place {
    /// Nowhere.
    Nowhere,
    /// Where the request came in, as the way in says.
    HereAndNow,
    /// On loopback, from the first page on.
    Loopback(Opener, OnceCell<String>),
}

/// All pages that are open.
pub struct KeyPages {
    place: Place,
    open: Mutex<HashMap<String, Page>>,
}

impl fmt::Debug for KeyPages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyPages")
    }
}

struct Page {
    caller: Caller,
    wanted: Wanted,
    /// What a form of this page carries, so that no other site can send one.
    csrf: String,
    until: Instant,
    state: State,
    changed: Arc<Notify>,
}

enum State {
    /// Nothing has been said.
    Open,
    /// The values are there; they are looked for in all that comes back.
    Filled(CarrierAccess, Vec<Held>),
    /// The person does not want it.
    Refused,
    /// They were taken; there is nothing here any more.
    Taken,
}

/// What a page shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What is asked for.
    pub wanted: Wanted,
    /// What the form carries.
    pub csrf: String,
    /// How much longer it is open, in whole minutes, at least one.
    pub minutes: u64,
}

/// Why a page cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// There is none, none any more, or none of this caller.
    Gone,
    /// The form did not come from the page.
    Foreign,
    /// What was entered cannot be right.
    Wrong(Vec<Problem>),
}

/// What has become of a page.
pub(crate) enum Outcome {
    /// The values, and what keeps them from coming back.
    Filled(CarrierAccess, Vec<Held>),
    /// The person does not want it.
    Refused,
    /// Nothing was said in time; the page is still open.
    Waiting,
    /// It is not there any more.
    Gone,
}

impl KeyPages {
    /// For a program that shows no pages.
    pub fn nowhere() -> Arc<Self> {
        Self::at(Place::Nowhere)
    }

    /// For a server that shows them where it is reached itself.
    pub fn here() -> Arc<Self> {
        Self::at(Place::HereAndNow)
    }

    /// For a program without an address: what serves them is started when the first is needed.
    pub fn on_loopback(opener: Opener) -> Arc<Self> {
        Self::at(Place::Loopback(opener, OnceCell::new()))
    }

    fn at(place: Place) -> Arc<Self> {
        Arc::new(Self { place, open: Mutex::default() })
    }

    /// Whether pages can be shown at all. `came_in` is the origin on which the request came, where it came over a network.
    pub(crate) fn can_show(&self, came_in: Option<&str>) -> bool {
        match &self.place {
            Place::Nowhere => false,
            Place::HereAndNow => came_in.is_some(),
            Place::Loopback(..) => true,
        }
    }

    /// Opens a page and says its address. `None`: none can be opened now.
    pub(crate) async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: &Wanted,
        came_in: Option<&str>,
    ) -> Option<(String, String)> {
        let id = hex(&unguessable());
        let page = Page {
            caller: caller.clone(),
            wanted: wanted.clone(),
            csrf: hex(&unguessable()),
            until: Instant::now() + LIFE,
            state: State::Open,
            changed: Arc::default(),
        };
        let url = self.address(&id, came_in).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        open.retain(|_, page| page.until > now && !matches!(page.state, State::Taken | State::Refused));
        let of_caller = open.values().filter(|page| page.caller == *caller).count();
        if of_caller >= EACH || open.len() >= ALL {
            return None;
        }
        open.insert(id.clone(), page);
        drop(open);
        // What was entered and never fetched does not stay.
        let (pages, gone) = (Arc::downgrade(self), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LIFE).await;
            pages.upgrade().inspect(|pages| pages.close(&gone));
        });
        Some((id, url))
    }

    /// The address of a page.
    pub(crate) async fn address(&self, id: &str, came_in: Option<&str>) -> Option<String> {
        let origin = match &self.place {
            Place::Nowhere => return None,
            Place::HereAndNow => came_in?.to_owned(),
            Place::Loopback(opener, origin) => {
                let started = origin.get_or_try_init(opener).await;
                started.inspect_err(|why| tracing::warn!(why, "no page can be shown")).ok()?.clone()
            }
        };
        Some(format!("{origin}{KEY_PAGES}{id}"))
    }

    /// What a page shows to its caller.
    pub(crate) fn look(&self, id: &str, caller: &Caller) -> Result<Shown, Unusable> {
        self.with(id, caller, |page| match page.state {
            State::Open => Ok(Shown {
                wanted: page.wanted.clone(),
                csrf: page.csrf.clone(),
                minutes: page.until.saturating_duration_since(Instant::now()).as_secs().div_ceil(60).max(1),
            }),
            _ => Err(Unusable::Gone),
        })
    }

    /// Takes what was entered, each value by its field. `admit` says what more is wrong with it, or keeps it hidden from now on.
    pub(crate) fn fill(
        &self,
        id: &str,
        caller: &Caller,
        csrf: &str,
        given: Vec<(AccessField, Secret)>,
        admit: impl FnOnce(&CarrierAccess) -> Result<Vec<Held>, Problem>,
    ) -> Result<(), Unusable> {
        self.answered(id, caller, csrf, |page| {
            let access = CarrierAccess::new(page.wanted.provider, given).map_err(Unusable::Wrong)?;
            let held = admit(&access).map_err(|problem| Unusable::Wrong(vec![problem]))?;
            Ok(State::Filled(access, held))
        })
    }

    /// The person does not want it.
    pub(crate) fn refuse(&self, id: &str, caller: &Caller, csrf: &str) -> Result<(), Unusable> {
        self.answered(id, caller, csrf, |_| Ok(State::Refused))
    }

    fn answered(
        &self,
        id: &str,
        caller: &Caller,
        csrf: &str,
        next: impl FnOnce(&Page) -> Result<State, Unusable>,
    ) -> Result<(), Unusable> {
        self.with(id, caller, |page| {
            if !matches!(page.state, State::Open) {
                return Err(Unusable::Gone);
            }
            let same: bool = subtle::ConstantTimeEq::ct_eq(page.csrf.as_bytes(), csrf.as_bytes()).into();
            if !same {
                return Err(Unusable::Foreign);
            }
            page.state = next(page)?;
            page.changed.notify_waiters();
            Ok(())
        })
    }

    /// Closes a page: nobody waits for it any more.
    pub(crate) fn close(&self, id: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Waits until something is said on a page of this caller's for just this. What was entered is taken, once.
    pub(crate) async fn wait(&self, id: &str, caller: &Caller, wanted: &Wanted, until: Instant) -> Outcome {
        loop {
            let looked = self.with(id, caller, |page| {
                if page.wanted != *wanted {
                    return Err(Unusable::Gone);
                }
                let mut changed = Box::pin(Arc::clone(&page.changed).notified_owned());
                // Heard from now on, not only from the first look.
                changed.as_mut().enable();
                Ok(match std::mem::replace(&mut page.state, State::Taken) {
                    State::Open => {
                        page.state = State::Open;
                        Err((changed, page.until))
                    }
                    State::Filled(access, held) => Ok(Outcome::Filled(access, held)),
                    State::Refused => Ok(Outcome::Refused),
                    State::Taken => Ok(Outcome::Gone),
                })
            });
            let (changed, end) = match looked {
                Err(_) => return Outcome::Gone,
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(waiting)) => waiting,
            };
            if tokio::time::timeout_at(until.min(end), changed).await.is_err() {
                return if end <= Instant::now() { Outcome::Gone } else { Outcome::Waiting };
            }
        }
    }

    fn with<T>(
        &self,
        id: &str,
        caller: &Caller,
        act: impl FnOnce(&mut Page) -> Result<T, Unusable>,
    ) -> Result<T, Unusable> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let page = open.get_mut(id).filter(|page| page.caller == *caller && page.until > now);
        act(page.ok_or(Unusable::Gone)?)
    }
}
