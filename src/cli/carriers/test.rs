//! `carriers test`: reads the values of carrier profiles, and asks Truedy whether it accepts a Telnyx key.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::carriers::args::{TestArgs, advised, carrier_name, no_keys};
use crate::cli::carriers::list::{Listed, named, pretty, whose};
use crate::cli::doctor::account::trouble;
use crate::cli::output::{Exit, complain, print};
use crate::cli::{bootstrap, logging};
use crate::config::{ConfigError, Settings, TenantSettings};
use crate::domain::{AccessField, CarrierProfile, Origin, ProviderType, SipServer};
use crate::mcp::Catalog;
use crate::redact::{Redactor, Secret};
use crate::truedy::{CallBudget, Client, Error, Request, RequestKind};

pub(crate) fn test(settings: &Settings, test: &TestArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    let listed = Listed::read(settings, test.tenant.as_deref())?;
    let wanted =
        test.name.as_ref().map(|name| no_keys([name].into_iter()).and_then(|()| carrier_name(name))).transpose()?;
    let chosen = |profile: &CarrierProfile| wanted.as_ref().is_none_or(|name| name == profile.name());
    let chosen: Vec<_> = listed.all().filter(|(_, profile)| chosen(profile)).collect();
    if let (Some(name), true) = (&wanted, chosen.is_empty()) {
        let names: Vec<String> = listed.all().map(|(tenant, profile)| named(tenant, profile)).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(ConfigError(format!("There is no carrier profile {name}; there is {there}.")));
    }
    if chosen.is_empty() {
        complain("there is no carrier profile to test: `truedy-mcp carriers add --help`");
        return Ok(Exit::Failed);
    }
    let runtime = bootstrap::runtime()?;
    let mut all = Vec::new();
    for (tenant, profile) in chosen {
        let (mut fields, mut key, mut server) = (Vec::new(), None, None);
        for source in profile.sources() {
            let read = profile.read_one(source).map(|value| {
                redactor.redact_always(&value);
                match source.0 {
                    AccessField::ApiKey => key = Some(value),
                    AccessField::SipServer => server = SipServer::try_from(value.expose()).ok(),
                    _ => {}
                }
            });
            fields.push((source.0, source.1.origin(), read));
        }
        let unread = fields.iter().any(|(_, _, read)| read.is_err());
        let given: Vec<AccessField> = fields.iter().map(|(field, _, _)| *field).collect();
        let (exit, accepted, found) = match (profile.provider(), key) {
            _ if unread => (Exit::Failed, None, "not asked, since not all of it can be read".to_owned()),
            (ProviderType::Telnyx, Some(key)) => runtime.block_on(asked(tenant, &key, test.offline, &redactor))?,
            _ => match refused_host(tenant, server.as_ref())? {
                Some(why) => (Exit::Failed, None, why),
                None => {
                    let more = advised(profile.provider(), &given).map(|more| format!("; {more}")).unwrap_or_default();
                    let tested = "Truedy does not check these credentials, so only whether they can be read was tested";
                    (Exit::Fine, None, format!("{tested}{more}"))
                }
            },
        };
        all.push(Tested { tenant, profile, fields, verdict: (accepted, found), exit });
    }
    let exit = all.iter().map(|tested| tested.exit).find(|exit| *exit != Exit::Fine).unwrap_or(Exit::Fine);
    let text = if test.json {
        let rows: Vec<Value> = all.iter().map(Tested::to_json).collect();
        pretty(&json!({ "ok": exit == Exit::Fine, "exit_code": exit as u8, "carriers": rows }))
    } else {
        all.iter().map(Tested::to_text).collect()
    };
    print(&redactor.text(&text));
    Ok(exit)
}

/// Returns the reason if the operator's own policy forbids an import from this SIP trunk.
pub(crate) fn refused_host(tenant: &TenantSettings, server: Option<&SipServer>) -> Result<Option<String>, ConfigError> {
    let policy = tenant.settings.policy(&Catalog::names())?;
    Ok(server.and_then(|server| policy.admit_sip(server).err()).map(|refusal| refusal.summary))
}

/// Checks whether Truedy accepts a Telnyx key, by a search for one number with it. The search is free.
pub(crate) async fn asked(
    tenant: &TenantSettings,
    carrier_key: &Secret,
    offline: bool,
    redactor: &Arc<Redactor>,
) -> Result<(Exit, Option<bool>, String), ConfigError> {
    let settings = &tenant.settings;
    let unasked = |why: &str| Ok((Exit::Fine, None, format!("Truedy was not asked about the key: {why}")));
    if offline {
        return unasked("--offline");
    }
    if settings.sandbox {
        return unasked("--sandbox, which knows no carrier");
    }
    let Some(key) = tenant.key()? else { return unasked("no Truedy key is set") };
    redactor.redact_always(&key);
    let client = Client::new(settings.setup(key)?, Arc::clone(redactor));
    let client = client.map_err(|error| ConfigError(format!("The client could not be made: {error}.")))?;
    let body = json!({ "country_code": "US", "page": 1, "page_size": 1, "api_key": carrier_key.expose() });
    let request = Request::post(["telephony", "numbers", "search"], RequestKind::Search, body).list();
    let call = CallBudget::reading(Instant::now() + Duration::from_secs(20), CancellationToken::new());
    Ok(match client.send(request, &call).await {
        Ok(_) => (Exit::Fine, Some(true), "Truedy searched with this key: it is accepted".to_owned()),
        Err(Error::Refused(api_error)) if matches!(api_error.status, 400 | 422) => {
            let words =
                api_error.message.as_deref().map(|words| format!(", in its words: {words}")).unwrap_or_default();
            (Exit::Failed, Some(false), format!("Truedy could not search with this key{words}"))
        }
        Err(error) => {
            let (exit, found, todo) = trouble(&error);
            (exit, None, format!("whether Truedy accepts the key is not known: {found}. {todo}"))
        }
    })
}

impl Tested<'_> {
    fn to_text(&self) -> String {
        let word = if self.exit == Exit::Fine { "ok" } else { "bad" };
        let mut text = format!(
            "{word:<7} {} ({}): {}\n",
            named(self.tenant, self.profile),
            self.profile.provider(),
            self.verdict.1
        );
        for (field, origin, read) in &self.fields {
            let found = read.as_ref().err().map_or("readable", String::as_str);
            let word = if read.is_ok() { "ok" } else { "bad" };
            let _ = writeln!(text, "        {word:<4} {} from {origin}: {found}", field.name());
        }
        text
    }

    fn to_json(&self) -> Value {
        let fields: Vec<Value> = self
            .fields
            .iter()
            .map(|(field, origin, read)| {
                json!({ "field": field.name(), "from": origin.to_string(), "readable": read.is_ok(), "why": read.as_ref().err() })
            })
            .collect();
        let (accepted, found) = &self.verdict;
        json!({ "tenant": whose(self.tenant), "carrier": self.profile.name(), "provider": self.profile.provider(), "ok": self.exit == Exit::Fine, "fields": fields, "accepted": accepted, "found": found })
    }
}

/// What was found about one profile.
pub(crate) struct Tested<'a> {
    pub(crate) tenant: &'a TenantSettings,
    pub(crate) profile: &'a CarrierProfile,
    pub(crate) fields: Vec<(AccessField, &'a Origin, Result<(), String>)>,
    /// Whether Truedy accepts the key, if it was asked and answered. The second part is the finding as a sentence.
    pub(crate) verdict: (Option<bool>, String),
    pub(crate) exit: Exit,
}
