//! Joining the parts: settings become a service.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::complain;
use crate::config::{ConfigError, Settings};
use crate::domain::{Redactor, Refusal, Secret, Status};
use crate::journal::{Journal, Place};
use crate::mcp::{Bounds, Catalog, Crowd, Keys, Parts, Service, Upstream};
use crate::sandbox::{KEY, Sandbox};
use crate::truedy::{Client, Setup};

/// A service on Truedy or on the embedded sandbox. Nothing is connected, opened or started yet.
pub(super) fn service(settings: &Settings, redactor: &Arc<Redactor>) -> Result<Arc<Service>, ConfigError> {
    let policy = settings.policy(&Catalog::names())?;
    let keys = match settings.state_keys()? {
        Some(keys) => {
            Keys::new(keys).ok_or_else(|| ConfigError("--state-key-file: a key has at least 32 bytes.".to_owned()))?
        }
        None => Keys::of_this_process(),
    };
    let journal = journal(settings, redactor)?;
    let upstream = upstream(settings, redactor)?;
    Ok(Service::new(Parts {
        policy,
        upstream,
        journal,
        keys,
        redactor: Arc::clone(redactor),
        crowd: Crowd::new(Bounds::ALONE),
    }))
}

/// The journal of the account that the settings name. Nothing is opened yet.
pub(super) fn journal(settings: &Settings, redactor: &Arc<Redactor>) -> Result<Arc<Journal>, ConfigError> {
    let place = settings.journal_place()?;
    if let Some(warning) = settings.journal_warning(&place) {
        complain(warning);
    }
    if let Place::Postgres(place) = &place
        && let Some(password) = place.password().and_then(|password| Secret::new(password).ok())
    {
        std::mem::forget(redactor.hold(&password));
    }
    let key = if settings.sandbox { None } else { settings.key()? };
    let account = key.map_or_else(|| settings.mode().to_owned(), |key| settings.account(&key));
    Ok(Journal::new(place, account))
}

fn upstream(settings: &Settings, redactor: &Arc<Redactor>) -> Result<Upstream, ConfigError> {
    if settings.sandbox {
        return sandboxed(settings, redactor);
    }
    if settings.ephemeral || !settings.fault.is_empty() || settings.ledger.is_some() {
        let sentence = "--fault, --ephemeral and --ledger are for the sandbox, and without --sandbox this would work on a live account: add --sandbox or leave them out.";
        return Err(ConfigError(sentence.to_owned()));
    }
    // A wrong address or a key file that others can read is told at the start, not at the first call.
    settings.base_url()?;
    let Some(key) = settings.key()? else {
        return Ok(Upstream::NoKey);
    };
    // Held for the life of the program: whatever comes back, the key does not show.
    std::mem::forget(redactor.hold(&key));
    let setup = settings.setup(key)?;
    let redactor = Arc::clone(redactor);
    Ok(Upstream::lazy(move || {
        let made = client(setup.clone(), &redactor);
        Box::pin(async move { made })
    }))
}

fn client(setup: Setup, redactor: &Arc<Redactor>) -> Result<Arc<Client>, Refusal> {
    Client::new(setup, Arc::clone(redactor)).map(Arc::new).map_err(|error| {
        Refusal::new(Status::InternalError, format!("Nothing was sent. The client could not be made: {error}."))
    })
}

/// The embedded sandbox, started in this process at the first call that needs it.
fn sandboxed(settings: &Settings, redactor: &Arc<Redactor>) -> Result<Upstream, ConfigError> {
    settings.sandbox(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let key = Secret::new(KEY.to_owned()).map_err(ConfigError)?;
    std::mem::forget(redactor.hold(&key));
    let (settings, redactor, kept) = (settings.clone(), Arc::clone(redactor), Arc::new(Mutex::new(None)));
    Ok(Upstream::lazy(move || {
        let (settings, redactor, kept, key) = (settings.clone(), Arc::clone(&redactor), Arc::clone(&kept), key.clone());
        Box::pin(async move {
            let fault = |error: &dyn std::fmt::Display| {
                Refusal::new(
                    Status::InternalError,
                    format!("Nothing was done. The sandbox could not be started: {error}"),
                )
            };
            let options =
                settings.sandbox(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(|error| fault(&error))?;
            let sandbox = Sandbox::start(options).await.map_err(|error| fault(&error))?;
            let local = Settings { base_url: sandbox.base_url(), upstream_proxy: None, ca_file: None, ..settings };
            let client = local.setup(key).map_err(|error| fault(&error)).and_then(|setup| client(setup, &redactor))?;
            // It lives as long as the service does.
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(sandbox);
            Ok(client)
        })
    }))
}

/// The runtime every command runs on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, ConfigError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| ConfigError(format!("The program could not start its threads: {error}.")))
}
