//! Pages on which a person enters a carrier's keys: they go from the browser to this server and on to Truedy, never through the
//! client or the model. A page is one caller's, for one import, once, for five minutes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;

use crate::domain::{AccessField, ArgumentProblem, Caller, CarrierAccess, hex, unguessable};
use crate::guard::CredentialRequest;
use crate::redact::{RedactionGuard, Secret};

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
pub struct RequestOrigin(pub String);

/// Starts what serves the pages of a program that has no address of its own; gives the origin.
pub type FormServerStarter = Box<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Where pages are served.
enum FormServer {
    /// Nowhere.
    Nowhere,
    /// Where the request came in, as the way in says.
    HereAndNow,
    /// On loopback, from the first page on.
    Loopback(FormServerStarter, OnceCell<String>),
}

/// All pages that are open.
pub struct CredentialForms {
    place: FormServer,
    open: Mutex<HashMap<String, FormPage>>,
}

impl fmt::Debug for CredentialForms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyPages")
    }
}

struct FormPage {
    caller: Caller,
    wanted: CredentialRequest,
    /// What a form of this page carries, so that no other site can send one.
    csrf: String,
    until: Instant,
    state: FormState,
    changed: Arc<Notify>,
}

enum FormState {
    /// Nothing has been said.
    Open,
    /// The values are there; they are looked for in all that comes back.
    Filled(CarrierAccess, Vec<RedactionGuard>),
    /// The person does not want it.
    Refused,
    /// They were taken; there is nothing here any more.
    Taken,
}

/// What a page shows.
#[derive(Debug, Clone)]
pub struct FormContent {
    /// What is asked for.
    pub wanted: CredentialRequest,
    /// What the form carries.
    pub csrf: String,
    /// How much longer it is open, in whole minutes, at least one.
    pub minutes: u64,
}

/// Why a page cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormError {
    /// There is none, none any more, or none of this caller.
    Gone,
    /// The form did not come from the page.
    Foreign,
    /// What was entered cannot be right.
    Wrong(Vec<ArgumentProblem>),
}

/// What has become of a page.
pub(crate) enum FormOutcome {
    /// The values, and what keeps them from coming back.
    Filled(CarrierAccess, Vec<RedactionGuard>),
    /// The person does not want it.
    Refused,
    /// Nothing was said in time; the page is still open.
    Waiting,
    /// It is not there any more.
    Gone,
}

impl CredentialForms {
    /// For a program that shows no pages.
    pub fn nowhere() -> Arc<Self> {
        Self::at(FormServer::Nowhere)
    }

    /// For a server that shows them where it is reached itself.
    pub fn here() -> Arc<Self> {
        Self::at(FormServer::HereAndNow)
    }

    /// For a program without an address: what serves them is started when the first is needed.
    pub fn on_loopback(opener: FormServerStarter) -> Arc<Self> {
        Self::at(FormServer::Loopback(opener, OnceCell::new()))
    }

    fn at(place: FormServer) -> Arc<Self> {
        Arc::new(Self { place, open: Mutex::default() })
    }

    /// Whether pages can be shown at all. `came_in` is the origin on which the request came, where it came over a network.
    pub(crate) fn can_show(&self, came_in: Option<&str>) -> bool {
        match &self.place {
            FormServer::Nowhere => false,
            FormServer::HereAndNow => came_in.is_some(),
            FormServer::Loopback(..) => true,
        }
    }

    /// Opens a page and says its address. `None`: none can be opened now.
    pub(crate) async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: &CredentialRequest,
        came_in: Option<&str>,
    ) -> Option<(String, String)> {
        let id = hex(&unguessable());
        let page = FormPage {
            caller: caller.clone(),
            wanted: wanted.clone(),
            csrf: hex(&unguessable()),
            until: Instant::now() + LIFE,
            state: FormState::Open,
            changed: Arc::default(),
        };
        let url = self.address(&id, came_in).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        open.retain(|_, page| page.until > now && !matches!(page.state, FormState::Taken | FormState::Refused));
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
            FormServer::Nowhere => return None,
            FormServer::HereAndNow => came_in?.to_owned(),
            FormServer::Loopback(opener, origin) => {
                let started = origin.get_or_try_init(opener).await;
                started.inspect_err(|why| tracing::warn!(why, "no page can be shown")).ok()?.clone()
            }
        };
        Some(format!("{origin}{KEY_PAGES}{id}"))
    }

    /// What a page shows to its caller.
    pub(crate) fn look(&self, id: &str, caller: &Caller) -> Result<FormContent, FormError> {
        self.with(id, caller, |page| match page.state {
            FormState::Open => Ok(FormContent {
                wanted: page.wanted.clone(),
                csrf: page.csrf.clone(),
                minutes: page.until.saturating_duration_since(Instant::now()).as_secs().div_ceil(60).max(1),
            }),
            _ => Err(FormError::Gone),
        })
    }

    /// Takes what was entered, each value by its field. `admit` says what more is wrong with it, or keeps it hidden from now on.
    pub(crate) fn fill(
        &self,
        id: &str,
        caller: &Caller,
        csrf: &str,
        given: Vec<(AccessField, Secret)>,
        admit: impl FnOnce(&CarrierAccess) -> Result<Vec<RedactionGuard>, ArgumentProblem>,
    ) -> Result<(), FormError> {
        self.answered(id, caller, csrf, |page| {
            let access = CarrierAccess::new(page.wanted.provider, given).map_err(FormError::Wrong)?;
            let held = admit(&access).map_err(|problem| FormError::Wrong(vec![problem]))?;
            Ok(FormState::Filled(access, held))
        })
    }

    /// The person does not want it.
    pub(crate) fn refuse(&self, id: &str, caller: &Caller, csrf: &str) -> Result<(), FormError> {
        self.answered(id, caller, csrf, |_| Ok(FormState::Refused))
    }

    fn answered(
        &self,
        id: &str,
        caller: &Caller,
        csrf: &str,
        next: impl FnOnce(&FormPage) -> Result<FormState, FormError>,
    ) -> Result<(), FormError> {
        self.with(id, caller, |page| {
            if !matches!(page.state, FormState::Open) {
                return Err(FormError::Gone);
            }
            let same: bool = subtle::ConstantTimeEq::ct_eq(page.csrf.as_bytes(), csrf.as_bytes()).into();
            if !same {
                return Err(FormError::Foreign);
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
    pub(crate) async fn wait(
        &self,
        id: &str,
        caller: &Caller,
        wanted: &CredentialRequest,
        until: Instant,
    ) -> FormOutcome {
        loop {
            let looked = self.with(id, caller, |page| {
                if page.wanted != *wanted {
                    return Err(FormError::Gone);
                }
                let mut changed = Box::pin(Arc::clone(&page.changed).notified_owned());
                // Heard from now on, not only from the first look.
                changed.as_mut().enable();
                Ok(match std::mem::replace(&mut page.state, FormState::Taken) {
                    FormState::Open => {
                        page.state = FormState::Open;
                        Err((changed, page.until))
                    }
                    FormState::Filled(access, held) => Ok(FormOutcome::Filled(access, held)),
                    FormState::Refused => Ok(FormOutcome::Refused),
                    FormState::Taken => Ok(FormOutcome::Gone),
                })
            });
            let (changed, end) = match looked {
                Err(_) => return FormOutcome::Gone,
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(waiting)) => waiting,
            };
            if tokio::time::timeout_at(until.min(end), changed).await.is_err() {
                return if end <= Instant::now() { FormOutcome::Gone } else { FormOutcome::Waiting };
            }
        }
    }

    fn with<T>(
        &self,
        id: &str,
        caller: &Caller,
        act: impl FnOnce(&mut FormPage) -> Result<T, FormError>,
    ) -> Result<T, FormError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let page = open.get_mut(id).filter(|page| page.caller == *caller && page.until > now);
        act(page.ok_or(FormError::Gone)?)
    }
}
