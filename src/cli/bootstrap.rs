//! Joining the parts: settings become a service.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::output::complain;
use crate::config::{ConfigError, Settings, TenantSettings, kept_keys};
use crate::domain::{Caller, CarrierProfiles, Refusal, ServerTime, Status};
use crate::journal::{Journal, JournalPlace};
use crate::mcp::{
    CallLimits, Catalog, ConcurrencyLimiter, CredentialForms, SealingKeys, Service, ServiceConfig, Tenant, Upstream,
};
use crate::redact::{Redactor, Secret};
use crate::sandbox::{KEY, Sandbox};
use crate::truedy::{Client, ClientConfig, Rate};

/// A service on Truedy or on the embedded sandbox, for the one who started the program. Nothing is connected, opened or
/// started yet.
pub(crate) fn service(
    settings: &Settings,
    redactor: &Arc<Redactor>,
    pages: Arc<CredentialForms>,
) -> Result<Arc<Service>, ConfigError> {
    let mut tenants = settings.tenants()?;
    if let [first, _, ..] = tenants.as_slice() {
        return Err(ConfigError(format!(
            "The file of --config has {} tenants, and this command works on the account of one: expected a file with one section, for example [tenants.{}] alone; or leave --config out and set TRUEDY_API_KEY. For all of them: truedy-mcp http.",
            tenants.len(),
            first.name
        )));
    }
    let Some(tenant) = tenants.pop() else {
        return Err(ConfigError("The file of --config has no tenant.".to_owned()));
    };
    let key = if settings.sandbox { None } else { tenant.key()? };
    let settings = &tenant.settings;
    let policy = settings.policy(&Catalog::names())?;
    let account = key.as_ref().map_or_else(|| settings.mode().to_owned(), |key| settings.account(key));
    hold(key.as_ref(), redactor);
    let (keys, limiter) = (keys(settings)?.of(account.clone()), ConcurrencyLimiter::new(CallLimits::ALONE));
    let journal = open_journal(settings, redactor, account)?;
    let upstream = upstream(settings, key, (redactor, &journal.server_time()))?;
    let (carriers, redactor) = (CarrierProfiles::new(tenant.carriers, Arc::clone(redactor)), Arc::clone(redactor));
    Ok(Service::new(ServiceConfig { policy, upstream, journal, keys, redactor, limiter, carriers, pages }))
}

/// The tenants of a server for many, on one journal, under the same keys and under one limit of calls.
///
/// `replicas` is how many such servers there are.
pub(crate) fn tenants(
    settings: &Settings,
    replicas: u32,
    redactor: &Arc<Redactor>,
) -> Result<Vec<Arc<Tenant>>, ConfigError> {
    let (keys, limiter, names) = (keys(settings)?, ConcurrencyLimiter::new(CallLimits::SHARED), Catalog::names());
    let shared = open_journal(settings, redactor, String::new())?;
    // A page is kept by the process that opened it, and its form may reach any replica.
    let pages = if replicas > 1 { CredentialForms::nowhere() } else { CredentialForms::here() };
    let mut tenants = Vec::new();
    for source in settings.tenants()? {
        let key = if settings.sandbox { None } else { source.key()? };
        let TenantSettings { name, settings: mut own, carriers, .. } = source;
        let account = match &key {
            Some(key) => own.account(key),
            // Each plays with a sandbox of its own, as each works on an account of its own.
            None if name == Caller::local().tenant => own.mode().to_owned(),
            None => format!("{} {name}", own.mode()),
        };
        let (keys, journal) = (keys.of(account.clone()), shared.of(name.clone(), account));
        if name != Caller::local().tenant && !own.ephemeral && own.sandbox {
            own.state_dir = Some(own.state_dir()?.join("tenants").join(&name));
        }
        own.upstream_rpm = share(own.upstream_rpm, replicas);
        let policy = own.policy(&names)?;
        // The key of one must show to nobody.
        hold(key.as_ref(), redactor);
        let redactor = redactor.for_tenant();
        let upstream = upstream(&own, key, (&redactor, &journal.server_time()))?;
        let carriers = CarrierProfiles::new(carriers, Arc::clone(&redactor));
        let (limiter, pages) = (Arc::clone(&limiter), Arc::clone(&pages));
        let service =
            Service::new(ServiceConfig { policy, upstream, journal, keys, redactor, limiter, carriers, pages });
        tenants.push(Tenant::new(name, service, own.mode()));
    }
    Ok(tenants)
}

/// Looks for a secret as long as the program lives: whatever comes back, it does not show.
fn hold(secret: Option<&Secret>, redactor: &Arc<Redactor>) {
    secret.into_iter().for_each(|secret| std::mem::forget(redactor.redact_until_dropped(secret)));
}

/// What one replica may ask of Truedy: less than an equal share, since their windows overlap.
fn share(rate: Rate, replicas: u32) -> Rate {
    match rate {
        Rate::PerMinute(all) if replicas > 1 => {
            let most = u64::from(all) * 4 / 5 / u64::from(replicas);
            Rate::PerMinute(u32::try_from(most).unwrap_or(u32::MAX).max(1))
        }
        rate => rate,
    }
}

/// The journal of the account that the settings name. Nothing is opened yet.
pub(crate) fn journal(settings: &Settings, redactor: &Arc<Redactor>) -> Result<Arc<Journal>, ConfigError> {
    let key = if settings.sandbox { None } else { settings.key()? };
    let account = key.map_or_else(|| settings.mode().to_owned(), |key| settings.account(&key));
    open_journal(settings, redactor, account)
}

fn open_journal(settings: &Settings, redactor: &Arc<Redactor>, account: String) -> Result<Arc<Journal>, ConfigError> {
    let place = settings.journal_place()?;
    if let Some(warning) = settings.journal_warning(&place) {
        complain(warning);
    }
    if let JournalPlace::Postgres(place) = &place {
        hold(place.password().and_then(|password| Secret::new(password).ok()).as_ref(), redactor);
    }
    let journal = Journal::new(place, account);
    if !settings.sandbox {
        journal.tell_if_new();
    }
    Ok(journal)
}

fn keys(settings: &Settings) -> Result<SealingKeys, ConfigError> {
    let short = || ConfigError("--state-key-file: a key has at least 32 bytes.".to_owned());
    match settings.state_keys()? {
        Some(keys) => SealingKeys::new(keys).ok_or_else(short),
        // Beside the journal, which knows what was used: read when it is first needed. What forgets the one forgets the other.
        None => Ok(match settings.journal_place()? {
            JournalPlace::Directory(directory) => SealingKeys::read_by(move || kept_keys(&directory)),
            JournalPlace::Memory | JournalPlace::Postgres(_) => SealingKeys::of_this_process(),
        }),
    }
}

fn upstream(
    settings: &Settings,
    key: Option<Secret>,
    (redactor, time): (&Arc<Redactor>, &Arc<ServerTime>),
) -> Result<Upstream, ConfigError> {
    if settings.sandbox {
        return sandboxed(settings, (redactor, time));
    }
    settings.no_sandbox_settings()?;
    // A wrong address or a key file that others can read is told at the start, not at the first call.
    settings.base_url()?;
    let Some(key) = key else {
        return Ok(Upstream::NoKey);
    };
    let setup = settings.setup(key)?;
    let (redactor, time) = (Arc::clone(redactor), Arc::clone(time));
    Ok(Upstream::lazy(move || {
        let made = client(setup.clone(), (&redactor, &time));
        Box::pin(async move { made })
    }))
}

/// A client that tells the journal what time it is there.
fn client(setup: ClientConfig, (redactor, time): (&Arc<Redactor>, &Arc<ServerTime>)) -> Result<Arc<Client>, Refusal> {
    let made = Client::new(setup, Arc::clone(redactor)).map(|client| Arc::new(client.telling(Arc::clone(time))));
    made.map_err(|error| {
        Refusal::new(Status::InternalError, format!("Nothing was sent. The client could not be made: {error}."))
    })
}

/// The embedded sandbox, started in this process at the first call that needs it.
fn sandboxed(
    settings: &Settings,
    (redactor, time): (&Arc<Redactor>, &Arc<ServerTime>),
) -> Result<Upstream, ConfigError> {
    settings.sandbox(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    if let Some(unused) = settings.unused_on_sandbox() {
        return Err(ConfigError(unused));
    }
    let key = Secret::new(KEY.to_owned()).map_err(ConfigError)?;
    hold(Some(&key), redactor);
    let (settings, redactor, kept) = (settings.clone(), Arc::clone(redactor), Arc::new(Mutex::new(None)));
    let time = Arc::clone(time);
    Ok(Upstream::lazy(move || {
        let (settings, redactor, kept, key) = (settings.clone(), Arc::clone(&redactor), Arc::clone(&kept), key.clone());
        let time = Arc::clone(&time);
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
            let client =
                local.setup(key).map_err(|error| fault(&error)).and_then(|setup| client(setup, (&redactor, &time)))?;
            // It lives as long as the service does.
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(sandbox);
            Ok(client)
        })
    }))
}

/// The runtime of a command for one person.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, ConfigError> {
    runtime_with(FOR_ONE)
}

/// The runtime of a server for many, which has all cores of the machine.
pub(crate) fn runtime_for_many() -> Result<tokio::runtime::Runtime, ConfigError> {
    runtime_with(workers(std::thread::available_parallelism().ok()))
}

/// Threads of a program for one person: one may be busy while the other answers.
const FOR_ONE: usize = 2;

/// Threads of a server for many: one for each core, and never fewer than a program for one has.
fn workers(cores: Option<std::num::NonZero<usize>>) -> usize {
    cores.map_or(FOR_ONE, |cores| cores.get().max(FOR_ONE))
}

fn runtime_with(workers: usize) -> Result<tokio::runtime::Runtime, ConfigError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(|error| ConfigError(format!("The program could not start its threads: {error}.")))
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;

    #[test]
    fn a_server_for_many_has_the_cores_of_the_machine_and_a_program_for_one_two_threads() {
        for (cores, threads) in [(None, 2), (NonZero::new(1), 2), (NonZero::new(2), 2), (NonZero::new(64), 64)] {
            assert_eq!(workers(cores), threads);
        }
        let count = |runtime: Result<tokio::runtime::Runtime, ConfigError>| {
            runtime.map_or(0, |runtime| runtime.metrics().num_workers())
        };
        assert_eq!((count(runtime()), count(runtime_with(5))), (2, 5));
        assert_eq!(count(runtime_for_many()), workers(std::thread::available_parallelism().ok()));
    }
}
