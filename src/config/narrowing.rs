//! A tenant's section of the configuration file can only narrow what the operator gave by flag or variable.
//!
//! Defaults do not bind. A section may be wider than a default, but never wider than a flag.

use std::collections::BTreeSet;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::config::choices::{AskWhen, Gate, InlineSecrets};
use crate::config::protection::check_protected;
use crate::config::settings::Settings;
use crate::domain::{CountryCode, Money, NumberType, SipServer};
use crate::guard::Cap;

/// The policy of one section. A field is `None` if the section does not set it.
#[derive(Debug, Clone, Default)]
pub(super) struct Narrowing {
    pub(super) read_only: Option<bool>,
    pub(super) tools: Option<Vec<String>>,
    pub(super) exclude_tools: Option<Vec<String>>,
    pub(super) protect: Option<Vec<String>>,
    pub(super) release_in_use: Option<bool>,
    pub(super) ask: Option<AskWhen>,
    pub(super) gate: Option<Gate>,
    pub(super) purchases_per_day: Option<Cap>,
    pub(super) releases_per_day: Option<Cap>,
    pub(super) imports_per_day: Option<Cap>,
    pub(super) spend_per_day: Option<Money>,
    pub(super) max_monthly_cost: Option<Money>,
    pub(super) countries: Option<Vec<CountryCode>>,
    pub(super) number_types: Option<Vec<NumberType>>,
    pub(super) sip_hosts: Option<Vec<String>>,
    pub(super) inline_secrets: Option<InlineSecrets>,
}

impl Narrowing {
    /// Refuses a list of the section that would have no effect. The error names the key of the list.
    fn check(&self) -> Result<(), String> {
        let lists = [
            ("tools", &self.tools),
            ("exclude_tools", &self.exclude_tools),
            ("protect", &self.protect),
            ("sip_hosts", &self.sip_hosts),
        ];
        let is_blank = |list: &[String]| !list.is_empty() && list.iter().all(|entry| entry.trim().is_empty());
        if let Some((key, _)) = lists.iter().find(|(_, list)| list.as_deref().is_some_and(is_blank)) {
            return Err(format!("{key} names nothing: give at least one entry, or take the line out"));
        }
        let protect = self.protect.iter().flatten().zip(1..).filter(|(entry, _)| !entry.trim().is_empty());
        for (entry, at) in protect {
            check_protected(entry.trim()).map_err(|why| format!("protect, entry {at}: {why}"))?;
        }
        Ok(())
    }
}

impl Settings {
    /// Records which settings were given by flag or variable.
    pub fn note_sources(&mut self, matches: &ArgMatches) {
        let is_given =
            |id: &str| matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
        self.given = matches.ids().map(|id| id.as_str()).filter(|id| is_given(id)).map(str::to_owned).collect();
    }

    /// Returns these settings with the policy of a section. It is never wider than what was given by flag or variable.
    pub(super) fn narrowed(&self, section: Narrowing) -> Result<Self, String> {
        let release_in_use = match section.release_in_use {
            Some(true) if !self.release_in_use => {
                return Err("release_in_use = true: a section can only narrow what the operator allows, and numbers in use may not be released here; give --release-in-use (TRUEDY_MCP_RELEASE_IN_USE) as well, or take the line out".to_owned());
            }
            said => self.release_in_use && said.unwrap_or(true),
        };
        section.check()?;
        let section_tools = section.tools.clone().unwrap_or_default();
        let section_exclude_tools = section.exclude_tools.clone().unwrap_or_default();
        let cap = |id, own: Cap, said| self.stricter(id, own, said, |one: Cap, other: Cap| smaller(one, other));
        Ok(Self {
            read_only: self.read_only || section.read_only.unwrap_or(false),
            tools: both(self.tools.as_deref(), section.tools, |name| name.trim().to_owned()),
            exclude_tools: either(&self.exclude_tools, section.exclude_tools),
            protect: either(&self.protect, section.protect),
            section_tools,
            section_exclude_tools,
            release_in_use,
            ask: self.stricter(
                "ask",
                self.ask,
                section.ask,
                |one, other| {
                    if one == AskWhen::Auto { one } else { other }
                },
            ),
            gate: self.stricter("gate", self.gate, section.gate, |one, other| {
                if strictness(one) >= strictness(other) { one } else { other }
            }),
            purchases_per_day: cap("purchases_per_day", self.purchases_per_day, section.purchases_per_day),
            releases_per_day: cap("releases_per_day", self.releases_per_day, section.releases_per_day),
            imports_per_day: cap("imports_per_day", self.imports_per_day, section.imports_per_day),
            spend_per_day: less("spend_per_day", self.spend_per_day.as_ref(), section.spend_per_day)?,
            max_monthly_cost: less("max_monthly_cost", self.max_monthly_cost.as_ref(), section.max_monthly_cost)?,
            countries: both(self.countries.as_deref(), section.countries, |country| country.as_str().to_owned()),
            number_types: both(self.number_types.as_deref(), section.number_types, |kind| kind.to_string()),
            sip_hosts: both(self.limiting_hosts(), section.sip_hosts, |host| host.trim().to_ascii_lowercase()),
            inline_secrets: self.stricter(
                "inline_secrets",
                self.inline_secrets,
                section.inline_secrets,
                |one, other| {
                    if one == InlineSecrets::Deny { one } else { other }
                },
            ),
            ..self.clone()
        })
    }

    /// Returns the operator's list of SIP hosts. `None` if it holds no host, which counts as not set.
    fn limiting_hosts(&self) -> Option<&[String]> {
        self.sip_hosts.as_deref().filter(|hosts| hosts.iter().any(|host| !host.trim().is_empty()))
    }

    /// Combines the operator's value with a section's value.
    /// If the operator gave a value, the stricter one is used. Otherwise the section's value is used.
    fn stricter<T>(&self, id: &str, own: T, said: Option<T>, stricter: impl Fn(T, T) -> T) -> T {
        match said {
            None => own,
            Some(said) if self.given.contains(id) => stricter(own, said),
            Some(said) => said,
        }
    }
}

/// Checks a host of a section's `sip_hosts`.
pub(super) fn sip_host(text: &str) -> Result<String, String> {
    let host = text.trim();
    let is_host = SipServer::try_from(host).is_ok_and(|server| server.host() == host);
    if is_host { Ok(host.to_owned()) } else { Err("a host name, for example sip.example.com".to_owned()) }
}

fn strictness(gate: Gate) -> u8 {
    match gate {
        Gate::Flag => 0,
        Gate::Token => 1,
        Gate::Human => 2,
    }
}

fn smaller(one: Cap, other: Cap) -> Cap {
    match (one, other) {
        (Cap::Most(one), Cap::Most(other)) => Cap::Most(one.min(other)),
        (Cap::Unlimited, cap) | (cap, Cap::Unlimited) => cap,
    }
}

/// Returns what both lists allow. A list that is not set allows everything.
fn both<T: Clone>(own: Option<&[T]>, said: Option<Vec<T>>, key: impl Fn(&T) -> String) -> Option<Vec<T>> {
    let Some(said) = said else { return own.map(<[T]>::to_vec) };
    let Some(own) = own else { return Some(said) };
    let allowed: BTreeSet<String> = own.iter().map(&key).collect();
    Some(said.into_iter().filter(|one| allowed.contains(&key(one))).collect())
}

/// Returns what at least one of the lists forbids.
fn either(own: &[String], said: Option<Vec<String>>) -> Vec<String> {
    let mut united = own.to_vec();
    for one in said.unwrap_or_default() {
        if !united.contains(&one) {
            united.push(one);
        }
    }
    united
}

/// Returns the smaller of two amounts. It is an error if their currencies differ.
fn less(name: &str, own: Option<&Money>, said: Option<Money>) -> Result<Option<Money>, String> {
    let (own, said) = match (own, said) {
        (Some(own), Some(said)) => (own, said),
        (own, said) => return Ok(said.or_else(|| own.cloned())),
    };
    if own.currency() != said.currency() {
        let (flag, variable) = (name.replace('_', "-"), name.to_ascii_uppercase());
        return Err(format!(
            "{name} = \"{said}\": --{flag} (TRUEDY_MCP_{variable}) is {own}, and which of {said} and {own} is smaller is not known; set it in {}, for example \"{own}\"",
            own.currency()
        ));
    }
    Ok(Some(if said.micros() < own.micros() { said } else { own.clone() }))
}

#[cfg(test)]
#[path = "narrowing_tests.rs"]
mod tests;
