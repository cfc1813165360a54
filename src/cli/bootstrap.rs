//! Builds a service from the settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::cli::output::complain;
use crate::config::{ConfigError, Settings, TenantSettings, UpstreamWindow, kept_keys};
use crate::domain::{Caller, CarrierProfiles, RateLeases, Refusal, ServerTime, Status, meant_sentence};
use crate::journal::{Journal, JournalPlace, PostgresLeases};
use crate::mcp::{
    CallLimits, Catalog, ConcurrencyLimiter, CredentialForms, SealingKeys, Service, ServiceConfig, Tenant, Upstream,
};
use crate::redact::{Redactor, Secret};
use crate::sandbox::{KEY, Sandbox};
use crate::tools::change_kinds;
use crate::truedy::{Client, ClientConfig, Rate, SharedRate};

/// Builds a service on Truedy or on the embedded sandbox, for the person who started the program.
/// Nothing is connected, opened or started yet.
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
    key.iter().for_each(|key| redactor.redact_always(key));
    let (keys, limiter) = (keys(settings)?.of(account.clone()), ConcurrencyLimiter::new(CallLimits::ALONE));
    let journal = open_journal(settings, redactor, account.clone())?;
    let shared = rate_leases(settings, &journal)?;
    let shared = shared.map(|leases| SharedRate { leases, account, alone: settings.upstream_rpm });
    let upstream = upstream(settings, key, shared, (redactor, &journal.server_time()))?;
    let (carriers, redactor) = (CarrierProfiles::new(tenant.carriers, Arc::clone(redactor)), Arc::clone(redactor));
    Ok(Service::new(ServiceConfig { policy, upstream, journal, keys, redactor, limiter, carriers, pages }))
}

/// Builds the tenants of a server for many callers. They share one journal, the same sealing keys and one concurrency
/// limit.
///
/// `replicas` is the number of such servers.
pub(crate) fn tenants(
    settings: &Settings,
    replicas: u32,
    redactor: &Arc<Redactor>,
) -> Result<Vec<Arc<Tenant>>, ConfigError> {
    // A page is kept by the process that opened it, but its form may reach any replica. So several replicas offer no
    // pages.
    let pages = if replicas > 1 { CredentialForms::nowhere() } else { CredentialForms::here() };
    let shared = SharedParts::new(settings, replicas, redactor, CallLimits::SHARED, pages)?;
    settings.tenants()?.into_iter().map(|source| shared.tenant(source)).collect()
}

/// Builds one tenant as a server for many callers does, for a command of the operator.
pub(crate) fn tenant(settings: &Settings, name: &str, redactor: &Arc<Redactor>) -> Result<Arc<Tenant>, ConfigError> {
    let mut known = settings.tenants()?;
    let Some(at) = known.iter().position(|tenant| tenant.name == name) else {
        let names: Vec<&str> = known.iter().map(|tenant| tenant.name.as_str()).collect();
        let meant = meant_sentence(name, names.iter().copied());
        return Err(ConfigError(format!(
            "--tenant: the settings name no such tenant.{meant} There are: {}.",
            names.join(", ")
        )));
    };
    let shared = SharedParts::new(settings, 1, redactor, CallLimits::ALONE, CredentialForms::nowhere())?;
    shared.tenant(known.swap_remove(at))
}

/// What the tenants of one program share.
struct SharedParts<'a> {
    replicas: u32,
    redactor: &'a Arc<Redactor>,
    keys: SealingKeys,
    limiter: Arc<ConcurrencyLimiter>,
    journal: Arc<Journal>,
    leases: Option<Arc<dyn RateLeases>>,
    pages: Arc<CredentialForms>,
    tools: Vec<&'static str>,
}

impl<'a> SharedParts<'a> {
    fn new(
        settings: &Settings,
        replicas: u32,
        redactor: &'a Arc<Redactor>,
        limits: CallLimits,
        pages: Arc<CredentialForms>,
    ) -> Result<Self, ConfigError> {
        let (keys, limiter, tools) = (keys(settings)?, ConcurrencyLimiter::new(limits), Catalog::names());
        let journal = open_journal(settings, redactor, String::new())?;
        let leases = rate_leases(settings, &journal)?;
        Ok(Self { replicas, redactor, keys, limiter, journal, leases, pages, tools })
    }

    /// Builds a tenant on these parts.
    fn tenant(&self, source: TenantSettings) -> Result<Arc<Tenant>, ConfigError> {
        let key = if source.settings.sandbox { None } else { source.key()? };
        let TenantSettings { name, settings: mut own, carriers, .. } = source;
        let account = match &key {
            Some(key) => own.account(key),
            // Each tenant has its own sandbox, like each has its own live account.
            None if name == Caller::local().tenant => own.mode().to_owned(),
            None => format!("{} {name}", own.mode()),
        };
        let (keys, journal) = (self.keys.of(account.clone()), self.journal.of(name.clone(), account.clone()));
        if name != Caller::local().tenant && !own.ephemeral && own.sandbox {
            own.state_dir = Some(own.state_dir()?.join("tenants").join(&name));
        }
        let alone = share(own.upstream_rpm, self.replicas);
        let shared_rate = self.leases.clone().map(|leases| SharedRate { leases, account, alone });
        if shared_rate.is_none() {
            own.upstream_rpm = alone;
        }
        let policy = own.policy(&self.tools)?;
        // The key of one tenant must not be shown to another.
        key.iter().for_each(|key| self.redactor.redact_always(key));
        let redactor = self.redactor.for_tenant();
        let upstream = upstream(&own, key, shared_rate, (&redactor, &journal.server_time()))?;
        let carriers = CarrierProfiles::new(carriers, Arc::clone(&redactor));
        let (limiter, pages) = (Arc::clone(&self.limiter), Arc::clone(&self.pages));
        let service =
            Service::new(ServiceConfig { policy, upstream, journal, keys, redactor, limiter, carriers, pages });
        Ok(Tenant::new(name, service, own.mode()))
    }
}

/// Returns the store in which all servers count their requests to Truedy together. `None` if this one counts alone.
fn rate_leases(settings: &Settings, journal: &Arc<Journal>) -> Result<Option<Arc<dyn RateLeases>>, ConfigError> {
    Ok(match settings.journal_place()? {
        JournalPlace::Postgres(place) if settings.upstream_window == UpstreamWindow::Shared => {
            Some(Arc::new(PostgresLeases::new(place, Arc::clone(journal))))
        }
        _ => None,
    })
}

/// Returns the request rate of one replica that counts alone. It is less than an equal share, because the windows of
/// the replicas overlap.
fn share(rate: Rate, replicas: u32) -> Rate {
    match rate {
        Rate::PerMinute(all) if replicas > 1 => {
            let most = u64::from(all) * 4 / 5 / u64::from(replicas);
            Rate::PerMinute(u32::try_from(most).unwrap_or(u32::MAX).max(1))
        }
        rate => rate,
    }
}

/// Returns the journal of the account in the settings. Nothing is opened yet.
pub(crate) fn journal(settings: &Settings, redactor: &Arc<Redactor>) -> Result<Arc<Journal>, ConfigError> {
    let key = if settings.sandbox { None } else { settings.key()? };
    let account = key.map_or_else(|| settings.mode().to_owned(), |key| settings.account(&key));
    open_journal(settings, redactor, account)
}

/// Returns the journal of all tenants, for work that concerns no account. No key is read, and nothing is opened yet.
pub(crate) fn journal_of_all(settings: &Settings, redactor: &Arc<Redactor>) -> Result<Arc<Journal>, ConfigError> {
    open_journal(settings, redactor, String::new())
}

fn open_journal(settings: &Settings, redactor: &Arc<Redactor>, account: String) -> Result<Arc<Journal>, ConfigError> {
    let place = settings.journal_place()?;
    if let Some(warning) = settings.journal_warning(&place) {
        complain(warning);
    }
    if let JournalPlace::Postgres(place) = &place
        && let Some(password) = place.password().and_then(|password| Secret::new(password).ok())
    {
        redactor.redact_always(&password);
    }
    let journal = Journal::new(place, account, change_kinds());
    if !settings.sandbox {
        journal.tell_if_new();
    }
    Ok(journal)
}

fn keys(settings: &Settings) -> Result<SealingKeys, ConfigError> {
    let short = || ConfigError("--state-key-file: a key has at least 32 bytes.".to_owned());
    match settings.state_keys()? {
        Some(keys) => SealingKeys::new(keys).ok_or_else(short),
        // The keys are stored beside the journal, which knows the used tokens, and read on first use. A journal that is
        // not kept here gets keys that are not kept either.
        None => Ok(match settings.journal_place()? {
            JournalPlace::Directory(directory) => SealingKeys::read_by(move || kept_keys(&directory)),
            JournalPlace::Memory | JournalPlace::Postgres(_) => SealingKeys::of_this_process(),
        }),
    }
}

fn upstream(
    settings: &Settings,
    key: Option<Secret>,
    shared: Option<SharedRate>,
    (redactor, time): (&Arc<Redactor>, &Arc<ServerTime>),
) -> Result<Upstream, ConfigError> {
    if settings.sandbox {
        return sandboxed(settings, (redactor, time));
    }
    settings.no_sandbox_settings()?;
    // A wrong address or a readable key file is reported at the start, not at the first call.
    settings.base_url()?;
    let Some(key) = key else {
        return Ok(Upstream::NoKey);
    };
    let setup = settings.setup(key)?;
    let (redactor, time) = (Arc::clone(redactor), Arc::clone(time));
    Ok(Upstream::lazy(move || {
        let made = client(setup.clone(), (&redactor, &time)).map(|client| {
            Arc::new(match shared.clone() {
                Some(shared) => client.sharing(shared),
                None => client,
            })
        });
        Box::pin(async move { made })
    }))
}

/// Builds a client that reports Truedy's time to the journal.
fn client(setup: ClientConfig, (redactor, time): (&Arc<Redactor>, &Arc<ServerTime>)) -> Result<Client, Refusal> {
    let made = Client::new(setup, Arc::clone(redactor)).map(|client| client.telling(Arc::clone(time)));
    made.map_err(|error| {
        Refusal::new(Status::InternalError, format!("Nothing was sent. The client could not be made: {error}."))
    })
}

/// Returns the embedded sandbox, which starts in this process at the first call that needs it.
fn sandboxed(
    settings: &Settings,
    (redactor, time): (&Arc<Redactor>, &Arc<ServerTime>),
) -> Result<Upstream, ConfigError> {
    settings.sandbox(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    if let Some(unused) = settings.unused_on_sandbox() {
        return Err(ConfigError(unused));
    }
    let key = Secret::new(KEY.to_owned()).map_err(ConfigError)?;
    redactor.redact_always(&key);
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
            // Keeps the sandbox running as long as the service exists.
            *kept.lock() = Some(sandbox);
            Ok(Arc::new(client))
        })
    }))
}

/// Returns the runtime of a command for one person.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, ConfigError> {
    runtime_with(FOR_ONE)
}

/// Returns the runtime of a server for many callers, which uses all cores of the machine.
pub(crate) fn runtime_for_many() -> Result<tokio::runtime::Runtime, ConfigError> {
    runtime_with(workers(std::thread::available_parallelism().ok()))
}

/// Threads of a program for one person. One thread may be busy while the other responds.
const FOR_ONE: usize = 2;

/// Returns the threads of a server for many callers: one for each core, but at least two.
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
