//! Pages on which a person enters a carrier's keys. The keys go from the browser to this server and on to Truedy. They
//! never pass through the client or the model. A page is for one caller and one import. It is good once and for five
//! minutes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;

use crate::domain::{AccessField, ArgumentProblem, Caller, CarrierAccess, hex, unguessable};
use crate::guard::CredentialRequest;
use crate::redact::{RedactionGuard, Secret};

/// The path of the pages, below the origin of the server.
pub const KEY_PAGES: &str = "/enter/";
/// How long a page is open.
const LIFE: Duration = Duration::from_secs(300);
/// The most open pages of one caller.
const EACH: usize = 8;
/// The most open pages of all callers.
const ALL: usize = 256;

/// The origin at which a request arrived, as the HTTP server has checked it. It ends with the path prefix of this
/// server, if there is one. Examples: `https://mcp.example.com` and `https://example.com/truedy`.
#[derive(Debug, Clone)]
pub struct RequestOrigin(pub String);

/// Starts the page server of a program that has no address of its own. Returns its origin, or why it cannot start.
pub type FormServerStarter = Box<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Where pages are served.
enum FormServer {
    /// No pages are served.
    Nowhere,
    /// At the origin of the request, as the HTTP server has checked it.
    HereAndNow,
    /// On loopback. The page server starts with the first page.
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
    /// The CSRF token of the form. Without it, another site could send the form.
    csrf: String,
    until: Instant,
    state: FormState,
    changed: Arc<Notify>,
}

enum FormState {
    /// The person has not answered yet.
    Open,
    /// The person entered the values. The guards keep the redactor looking for them in all results.
    Filled(CarrierAccess, Vec<RedactionGuard>),
    /// The person does not want to enter anything.
    Refused,
    /// The values were taken and are no longer here.
    Taken,
}

/// What a page shows.
#[derive(Debug, Clone)]
pub struct FormContent {
    /// The credentials that are asked for.
    pub wanted: CredentialRequest,
    /// The CSRF token of the form.
    pub csrf: String,
    /// How much longer the page is open, in whole minutes, at least one.
    pub minutes: u64,
}

/// Why a page cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormError {
    /// The page does not exist, is no longer open, or belongs to another caller.
    Gone,
    /// The form did not come from the page: its CSRF token is wrong.
    Foreign,
    /// The entered values cannot be right, for these reasons.
    Wrong(Vec<ArgumentProblem>),
}

/// The result of waiting for a page.
pub(crate) enum FormOutcome {
    /// The values, and the guards that keep the redactor looking for them.
    Filled(CarrierAccess, Vec<RedactionGuard>),
    /// The person does not want to enter anything.
    Refused,
    /// The person did not answer in time. The page is still open.
    Waiting,
    /// The page is no longer open.
    Gone,
}

impl CredentialForms {
    /// Returns the forms of a program that shows no pages.
    pub fn nowhere() -> Arc<Self> {
        Self::at(FormServer::Nowhere)
    }

    /// Returns the forms of a server that shows pages at its own address.
    pub fn here() -> Arc<Self> {
        Self::at(FormServer::HereAndNow)
    }

    /// Returns the forms of a program without an address. The first page starts the page server.
    pub fn on_loopback(opener: FormServerStarter) -> Arc<Self> {
        Self::at(FormServer::Loopback(opener, OnceCell::new()))
    }

    fn at(place: FormServer) -> Arc<Self> {
        Arc::new(Self { place, open: Mutex::default() })
    }

    /// Returns whether pages can be shown at all. `came_in` is the origin of a request that came over a network.
    pub(crate) fn can_show(&self, came_in: Option<&str>) -> bool {
        match &self.place {
            FormServer::Nowhere => false,
            FormServer::HereAndNow => came_in.is_some(),
            FormServer::Loopback(..) => true,
        }
    }

    /// Opens a page. Returns its id and its address, or `None` if none can be opened now.
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
        let mut open = self.open.lock();
        let now = Instant::now();
        open.retain(|_, page| page.until > now && !matches!(page.state, FormState::Taken | FormState::Refused));
        let of_caller = open.values().filter(|page| page.caller == *caller).count();
        if of_caller >= EACH || open.len() >= ALL {
            return None;
        }
        open.insert(id.clone(), page);
        drop(open);
        // Values that nobody takes are removed when the time of the page is over.
        let (pages, gone) = (Arc::downgrade(self), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LIFE).await;
            pages.upgrade().inspect(|pages| pages.close(&gone));
        });
        Some((id, url))
    }

    /// Returns the address of a page. `None` if no page can be shown.
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

    /// Returns what a page shows to its caller.
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

    /// Stores the entered values, each with its field. `admit` returns a further problem, or the guards that hide the
    /// values from now on.
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

    /// Records that the person does not want to enter anything.
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

    /// Closes a page for which nobody waits any more.
    pub(crate) fn close(&self, id: &str) {
        self.open.lock().remove(id);
    }

    /// Waits until the person fills in or refuses this caller's page for this request. The entered values are taken,
    /// and only once.
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
                // Changes are noticed from now on, not only from the first poll.
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
        let mut open = self.open.lock();
        let now = Instant::now();
        let page = open.get_mut(id).filter(|page| page.caller == *caller && page.until > now);
        act(page.ok_or(FormError::Gone)?)
    }
}
