//! Adds carrier profiles to the configuration file and removes them, and keeps everything else as written.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::domain::{AccessField, CarrierName, ProviderType};

/// Where a value of a new profile is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePlace {
    /// In the configuration file itself. Only for values that are not secret.
    Text(String),
    /// In this environment variable.
    Variable(String),
    /// In this file.
    File(PathBuf),
    /// In the output of this command: the program and its arguments.
    Command(Vec<String>),
    /// In the keyring, as `service/user`.
    Keyring(String),
}

impl ValuePlace {
    /// Returns the value as it is written in the file.
    fn written(&self) -> Value {
        let (kind, place) = match self {
            Self::Text(text) => return text.into(),
            Self::Variable(name) => ("env", name.into()),
            Self::File(path) => ("file", path.display().to_string().into()),
            Self::Command(argv) => ("command", Value::Array(argv.iter().collect::<Array>())),
            Self::Keyring(entry) => ("keyring", entry.into()),
        };
        let mut table = InlineTable::new();
        table.insert(kind, place);
        Value::InlineTable(table)
    }
}

/// A profile that is to be written.
#[derive(Debug, Clone)]
pub struct NewCarrier {
    /// The name of the profile.
    pub name: CarrierName,
    /// The carrier that has the account.
    pub provider: ProviderType,
    /// The fields of the account, and where the value of each is stored.
    pub fields: Vec<(AccessField, ValuePlace)>,
}

impl Settings {
    /// Writes a profile into the configuration file. Creates the file if it is missing.
    /// A profile of the same name is replaced only if `replace` is set. Otherwise that is an error.
    pub fn add_carrier(&self, tenant: Option<&str>, carrier: &NewCarrier, replace: bool) -> Result<(), ConfigError> {
        let name = carrier.name.as_str();
        self.edit(tenant, name, true, |document| {
            let carriers = carriers_of(document, tenant)?;
            let inline = carriers.is_inline_table();
            let carriers = carriers.as_table_like_mut().ok_or("carriers is no table")?;
            match carriers.get_mut(name).map(Item::as_table_like_mut) {
                Some(_) if !replace => {
                    return Err(format!(
                        "there is a carrier profile {name} already; --replace puts this one in its place"
                    ));
                }
                // Comments beside and above its lines are kept.
                Some(Some(there)) => rewrite(there, carrier),
                Some(None) => return Err(format!("{name} is no table")),
                None => {
                    let mut table = Table::new();
                    rewrite(&mut table, carrier);
                    let item = if inline { table.into_inline_table().into() } else { Item::Table(table) };
                    carriers.insert(name, item);
                    if tenant.is_none() {
                        keep_above(document, name);
                    }
                }
            }
            Ok(())
        })
    }

    /// Removes a profile from the configuration file, with the comment directly above it.
    pub fn remove_carrier(&self, tenant: Option<&str>, name: &CarrierName) -> Result<(), ConfigError> {
        self.edit(tenant, name.as_str(), false, |document| {
            let carriers = carriers_of(document, tenant)?.as_table_like_mut().ok_or("carriers is no table")?;
            let Some(removed) = carriers.remove(name.as_str()) else {
                let names: Vec<&str> = carriers.iter().map(|(name, _)| name).collect();
                let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(format!("there is no carrier profile {name}; there is {there}"));
            };
            if let Item::Table(table) = removed {
                keep_comments(document, &table);
            }
            Ok(())
        })
    }

    /// Returns the path of the configuration file.
    pub fn config_file(&self) -> Result<&Path, ConfigError> {
        self.config.as_deref().ok_or_else(|| {
            ConfigError(
                "Carrier profiles are kept in a configuration file, and none is named: add --config or set TRUEDY_MCP_CONFIG, for example --config ~/.config/truedy-mcp.toml; `carriers add` makes the file."
                    .to_owned(),
            )
        })
    }

    /// Changes the profiles of the file. A text that lacks the change is not written.
    fn edit(
        &self,
        tenant: Option<&str>,
        name: &str,
        there: bool,
        change: impl FnOnce(&mut DocumentMut) -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        self.change_file(there, change, |tenants| {
            let whose = tenants.iter().filter(|one| tenant.is_none_or(|tenant| tenant == one.name));
            let names = whose.flat_map(|tenant| &tenant.carriers).map(|carrier| carrier.name().as_str());
            names.filter(|one| *one == name).count() == usize::from(there)
        })
    }
}

/// Returns the profiles of the file, or of one of its tenants.
fn carriers_of<'a>(document: &'a mut DocumentMut, tenant: Option<&str>) -> Result<&'a mut Item, String> {
    let tenants = document.get("tenants").and_then(Item::as_table_like);
    let names: Vec<&str> = tenants.into_iter().flat_map(|tenants| tenants.iter().map(|(name, _)| name)).collect();
    let above = match tenant {
        None if !names.is_empty() => {
            return Err(format!(
                "each of its tenants has its own carriers; add --tenant with one of {}",
                names.join(", ")
            ));
        }
        None => Some(document.as_item_mut()),
        Some(_) if names.is_empty() => return Err("it names no tenants; leave --tenant out".to_owned()),
        Some(name) if !names.contains(&name) => {
            return Err(format!("--tenant: there is no such tenant; it is one of {}", names.join(", ")));
        }
        Some(name) => document.get_mut("tenants").and_then(|tenants| tenants.get_mut(name)),
    };
    let above = above.ok_or("the tenant is no table")?;
    let inline = above.is_inline_table();
    let empty = || {
        let mut table = Table::new();
        table.set_implicit(true);
        if inline { table.into_inline_table().into() } else { Item::Table(table) }
    };
    let above = above.as_table_like_mut().ok_or("the tenant is no table")?;
    Ok(above.entry("carriers").or_insert_with(empty))
}

/// Writes the profile into a table, and removes all other fields from it.
fn rewrite(table: &mut dyn toml_edit::TableLike, carrier: &NewCarrier) {
    let fields = carrier.fields.iter().map(|(field, given)| (field.name(), given.written()));
    let lines: Vec<(&str, Value)> =
        [("provider", carrier.provider.as_str().into())].into_iter().chain(fields).collect();
    let old: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    for name in old.iter().filter(|name| !lines.iter().any(|(kept, _)| kept == name)) {
        table.remove(name);
    }
    for (name, mut line) in lines {
        match table.get_mut(name) {
            Some(Item::Value(there)) => {
                *line.decor_mut() = there.decor().clone();
                *there = line;
            }
            _ => drop(table.insert(name, value(line))),
        }
    }
}

/// Moves a comment from the end of the file above the new table, so that it stays in its position.
fn keep_above(document: &mut DocumentMut, name: &str) {
    let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let table = document.get_mut("carriers").and_then(|carriers| carriers.get_mut(name)).and_then(Item::as_table_mut);
    if let (Some(table), false) = (table, trailing.trim().is_empty()) {
        table.decor_mut().set_prefix(format!("{}\n\n", trailing.trim_end()));
        document.set_trailing("");
    }
}

/// Keeps the comments above a removed table that a blank line separates from it.
/// They are about the part before it, or about the whole file.
fn keep_comments(document: &mut DocumentMut, removed: &Table) {
    let above = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let Some((kept, _)) = above.rsplit_once("\n\n").filter(|(kept, _)| !kept.trim().is_empty()) else { return };
    let kept = format!("{kept}\n");
    let next = positions(document.as_table()).into_iter().filter(|at| Some(*at) > removed.position()).min();
    match next.and_then(|next| at(document.as_table_mut(), next)) {
        Some(table) => {
            let own = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
            table.decor_mut().set_prefix(format!("{kept}{own}"));
        }
        None => {
            let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
            document.set_trailing(format!("{kept}{trailing}"));
        }
    }
}

/// Returns the positions in the file of the tables that have a header line of their own.
fn positions(table: &Table) -> Vec<isize> {
    let own = table.position().filter(|_| !table.is_implicit() && !table.is_dotted());
    let below = table.iter().filter_map(|(_, item)| item.as_table()).flat_map(positions);
    own.into_iter().chain(below).collect()
}

/// Returns the table at this position in the file.
fn at(table: &mut Table, position: isize) -> Option<&mut Table> {
    if table.position() == Some(position) && !table.is_implicit() && !table.is_dotted() {
        return Some(table);
    }
    table.iter_mut().filter_map(|(_, item)| item.as_table_mut()).find_map(|below| at(below, position))
}
