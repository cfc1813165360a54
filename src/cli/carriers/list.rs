//! `carriers list`: prints every profile and the sources of its values, but never the values.

use serde_json::{Value, json};

use crate::cli::carriers::args::{ListArgs, no_keys};
use crate::cli::output::{Exit, print, print_styled};
use crate::cli::repeated::as_given;
use crate::cli::table::Table;
use crate::config::{ConfigError, Settings, TenantSettings};
use crate::domain::{AccessField, Caller, CarrierProfile, Origin};
use crate::redact::shown_path;

/// What is said where there are no profiles.
pub(crate) const NO_PROFILES: &str = "There are no profiles yet; `truedy-mcp carriers add NAME --provider telnyx --from api_key=env:TELNYX_API_KEY` makes one.\n";

impl Listed {
    pub(crate) fn read(settings: &Settings, tenant: Option<&str>) -> Result<Self, ConfigError> {
        settings.config_file()?;
        let mut tenants = settings.tenants()?;
        if let Some(name) = tenant {
            no_keys([name.to_owned()].iter())?;
            let names: Vec<String> = tenants.iter().map(|tenant| tenant.name.clone()).collect();
            tenants.retain(|tenant| tenant.name == name);
            if tenants.is_empty() {
                return Err(ConfigError(format!("--tenant: there is no such tenant; there is {}.", names.join(", "))));
            }
        }
        Ok(Self(tenants))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&TenantSettings, &CarrierProfile)> {
        self.0.iter().flat_map(|tenant| tenant.carriers.iter().map(move |profile| (tenant, profile)))
    }
}

pub(crate) fn list(settings: &Settings, list: &ListArgs) -> Result<Exit, ConfigError> {
    let listed = Listed::read(settings, list.tenant.as_deref())?;
    if list.json {
        let rows: Vec<Value> = listed
            .all()
            .map(|(tenant, profile)| {
                let fields = profile.sources().iter().map(|(field, source)| (field.name().to_owned(), json!(place(settings, (tenant, profile), *field, source.origin()))));
                json!({ "tenant": whose(tenant), "carrier": profile.name(), "provider": profile.provider(), "from": serde_json::Map::from_iter(fields) })
            })
            .collect();
        print(&pretty(&json!({ "carriers": rows })));
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(["CARRIER", "PROVIDER", "WHERE ITS VALUES ARE"].map(str::to_owned));
    for (tenant, profile) in listed.all() {
        let place = |field: AccessField, origin| place(settings, (tenant, profile), field, origin);
        let fields = profile
            .sources()
            .iter()
            .map(|(field, source)| format!("{} from {}", field.name(), place(*field, source.origin())));
        let fields = fields.collect::<Vec<_>>().join(", ");
        table.row(vec![named(tenant, profile).into(), profile.provider().as_str().into(), fields.into()]);
    }
    if listed.all().next().is_none() {
        print(&as_given(NO_PROFILES));
        return Ok(Exit::Fine);
    }
    print_styled(&table.to_text());
    Ok(Exit::Fine)
}

/// Returns the source of a value. If it may be a secret, returns its position in the file instead.
pub(crate) fn place(
    settings: &Settings,
    (tenant, profile): (&TenantSettings, &CarrierProfile),
    field: AccessField,
    origin: &Origin,
) -> String {
    let Some(file) = settings.config.as_deref().filter(|_| origin.is_hidden()) else { return origin.to_string() };
    let above = whose(tenant).map(|tenant| format!("tenants.{tenant}.")).unwrap_or_default();
    format!("{origin}; see {above}carriers.{}.{} in {}", profile.name(), field.name(), shown_path(file))
}

pub(crate) fn named(tenant: &TenantSettings, profile: &CarrierProfile) -> String {
    whose(tenant).map_or_else(|| profile.name().to_string(), |tenant| format!("{tenant}: {}", profile.name()))
}

pub(crate) fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default())
}

/// The tenants of the file, each with its profiles.
pub(crate) struct Listed(Vec<TenantSettings>);

/// Returns the name of the tenant, if the file has tenants.
pub(crate) fn whose(tenant: &TenantSettings) -> Option<&str> {
    (tenant.name != Caller::local().tenant).then_some(tenant.name.as_str())
}
