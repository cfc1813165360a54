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
mod tests {
    use super::*;
    use crate::config::error::ConfigError;
    use crate::config::resolve::tests::with;
    use crate::domain::{E164, Effect, samples};
    use clap::Args;

    use crate::guard::{AskMode, Policy, RULES, RequestedChange};
    use proptest::prelude::*;

    const TOOLS: [&str; 4] = ["list_numbers", "purchase_number", "import_number", "release_number"];

    /// Returns the policy of a tenant whose section has these lines.
    fn tenant(arguments: &[&str], lines: &str) -> Result<Policy, ConfigError> {
        let text = format!("[tenants.a]\napi_key_env = \"A\"\n{lines}");
        let tenants = with(arguments).tenants_in(text.as_bytes())?;
        tenants[0].settings.policy(&TOOLS)
    }

    fn number(text: &str) -> E164 {
        E164::try_from(text).expect(text)
    }

    /// A value that a tenant's section may have for each rule.
    fn example(rule: &str) -> &'static str {
        match rule {
            "read_only" => "true",
            "release_in_use" => "false",
            "gate" => "\"token\"",
            "ask" => "\"off\"",
            "inline_secrets" => "\"deny\"",
            "purchases_per_day" | "releases_per_day" | "imports_per_day" => "1",
            "spend_per_day" | "max_monthly_cost" => "\"5 USD\"",
            "tools" | "exclude_tools" => "[\"list_numbers\"]",
            "countries" => "[\"US\"]",
            "number_types" => "[\"local\"]",
            "protect" => "[\"+14155550123\"]",
            "sip_hosts" => "[\"sip.example.com\"]",
            other => panic!("{other} has no example"),
        }
    }

    #[test]
    fn every_rule_is_a_flag_a_variable_and_a_key_of_a_section() {
        let command = Settings::augment_args(clap::Command::new("settings"));
        let of_the_policy = command.get_arguments().filter(|arg| arg.get_help_heading() == Some("Policy"));
        let flags: BTreeSet<String> = of_the_policy
            .filter_map(|arg| Some(format!("--{} {}", arg.get_long()?, arg.get_env()?.to_str()?)))
            .filter(|flag| !flag.starts_with("--state-key-file"))
            .collect();
        let rules = RULES.iter().map(|rule| format!("{} {}", rule.flag(), rule.variable())).collect();
        assert_eq!(flags, rules, "the table of rules and the settings name the same");
        for rule in &RULES {
            let line = format!("{} = {}\n", rule.name, example(rule.name));
            tenant(&[], &line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn an_empty_list_in_the_file_allows_nothing() {
        let policy = tenant(&[], "tools = []\ncountries = []\nnumber_types = []\nsip_hosts = []\n").expect("read");
        assert!(TOOLS.iter().all(|tool| !policy.offers(tool, true)), "{policy:?}");
        for text in ["+14155550123", "+18005550123", "+442079460123"] {
            assert!(policy.admit_purchase(&number(text), None).is_err(), "{text}");
        }
        assert!(policy.admit_sip(&SipServer::try_from("sip.example.com").expect("a host")).is_err());
        let kinds = tenant(&[], "number_types = []\n").expect("read");
        let refused = kinds.admit_purchase(&number("+14155550123"), Some(NumberType::Local)).expect_err("none");
        assert!(refused.summary.contains("allows none (rule number_types)"), "{refused:?}");
        // Settings that are not in the section are taken from the settings for all.
        let policy = tenant(&["--tools", "list_numbers"], "").expect("read");
        assert!(policy.offers("list_numbers", true) && !policy.offers("release_number", false));
    }

    #[test]
    fn a_section_only_narrows_what_was_given() {
        let both = |arguments: &[&str], lines: &str| tenant(arguments, lines).expect(lines);
        let policy =
            both(&["--tools", "list_numbers,purchase_number"], "tools = [\"purchase_number\", \"release_number\"]\n");
        assert_eq!(policy.only, Some(["purchase_number".to_owned()].into()));
        let policy = both(&["--exclude-tools", "release_number"], "exclude_tools = [\"import_number\"]\n");
        assert_eq!(policy.except.len(), 2);
        let policy = both(&["--protect", "+14155550123"], "protect = [\"+12125550142\"]\n");
        assert!(policy.protects(None, Some("+14155550123")) && policy.protects(None, Some("+12125550142")));
        assert!(both(&["--read-only"], "read_only = false\n").read_only);
        assert_eq!(both(&["--gate", "token"], "gate = \"flag\"\n").level, crate::guard::Level::Token);
        assert_eq!(both(&["--gate", "token"], "gate = \"human\"\n").level, crate::guard::Level::Human);
        assert_eq!(both(&["--ask", "auto"], "ask = \"off\"\n").ask, AskMode::Auto);
        assert_eq!(both(&["--ask", "off"], "ask = \"auto\"\n").ask, AskMode::Auto);
        assert!(both(&["--inline-secrets", "deny"], "inline_secrets = \"allow\"\n").no_inline_secrets);
        assert_eq!(both(&["--purchases-per-day", "3"], "purchases_per_day = 5\n").caps.purchases, Cap::Most(3));
        assert_eq!(both(&["--purchases-per-day", "3"], "purchases_per_day = 2\n").caps.purchases, Cap::Most(2));
        assert_eq!(
            both(&["--purchases-per-day", "3"], "purchases_per_day = \"unlimited\"\n").caps.purchases,
            Cap::Most(3)
        );
        assert_eq!(
            both(&["--spend-per-day", "20 USD"], "spend_per_day = \"50 USD\"\n").caps.spend,
            Money::parse("20 USD")
        );
        assert_eq!(
            both(&["--max-monthly-cost", "2 USD"], "max_monthly_cost = \"1 USD\"\n").max_monthly,
            Money::parse("1 USD")
        );
        assert_eq!(
            both(&["--countries", "US,CA"], "countries = [\"CA\", \"GB\"]\n").countries.map(|set| set.len()),
            Some(1)
        );
        assert_eq!(both(&["--countries", "US"], "countries = [\"GB\"]\n").countries, Some([].into()));
        assert_eq!(
            both(&["--sip-hosts", "SIP.Example.com"], "sip_hosts = [\"sip.example.com\", \"b.example.com\"]\n")
                .sip_hosts,
            Some(["sip.example.com".to_owned()].into())
        );
        // A default does not bind.
        assert_eq!(both(&[], "purchases_per_day = 50\nask = \"off\"\n").caps.purchases, Cap::Most(50));
        assert_eq!(both(&[], "purchases_per_day = 50\nask = \"off\"\n").ask, AskMode::Off);
        // A tool's name is checked even if the operator's list leaves it out.
        assert!(tenant(&["--tools", "list_numbers"], "tools = [\"nope\"]\n").is_err());
    }

    #[test]
    fn numbers_in_use_are_released_only_where_both_allow_it() {
        let alone = tenant(&[], "release_in_use = true\n").expect_err("the section alone").0;
        assert!(alone.contains("[tenants.a]") && alone.contains("--release-in-use"), "{alone}");
        let allowed = |lines: &str| tenant(&["--release-in-use"], lines).expect("read").release_in_use;
        assert!(allowed("release_in_use = true\n") && !allowed("release_in_use = false\n"));
        assert!(!tenant(&[], "").expect("read").release_in_use);
    }

    #[test]
    fn amounts_in_two_currencies_stop_the_start() {
        for (flag, name) in [("--spend-per-day", "spend_per_day"), ("--max-monthly-cost", "max_monthly_cost")] {
            let error = tenant(&[flag, "20 USD"], &format!("{name} = \"15 EUR\"\n")).expect_err("two currencies").0;
            for part in ["[tenants.a]", flag, "20.00 USD", "15.00 EUR"] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }

    /// Checks that the operator's flags admit everything that the tenant's policy admits.
    fn is_within(tenant: &Policy, operator: &Policy, given: &BTreeSet<String>) -> Result<(), TestCaseError> {
        for tool in TOOLS {
            let reads = tool == "list_numbers";
            prop_assert!(!tenant.offers(tool, reads) || operator.offers(tool, reads), "{}", tool);
        }
        for text in ["+14155550123", "+14165550123", "+18005550123", "+442079460123", "+4930123456", "+390612345678"] {
            let admits = |policy: &Policy| policy.admit_purchase(&number(text), None).is_ok();
            prop_assert!(!admits(tenant) || admits(operator), "{}", text);
            let protects = |policy: &Policy| policy.protects(None, Some(text));
            prop_assert!(protects(tenant) || !protects(operator), "{}", text);
        }
        for price in ["1 USD", "2.5 USD", "30 USD", "1 EUR"].map(|text| Money::parse(text).expect("money")) {
            let admits = |policy: &Policy| policy.admit_price(Some(&price), None).is_ok();
            prop_assert!(!admits(tenant) || admits(operator), "{}", price);
        }
        for host in ["a.example.com", "b.example.com", "10.0.0.1"] {
            let server = SipServer::try_from(host).expect("a host");
            let claims = RequestedChange { sip_server: Some(server), ..RequestedChange::default() };
            let admits =
                |policy: &Policy| policy.admit("import_number", Effect::Changes(&samples::IMPORT), &claims).is_ok();
            prop_assert!(
                !admits(tenant)
                    || operator.sip_hosts.is_none()
                    || admits(operator)
                    || operator.caps.imports == Cap::Most(0),
                "{}",
                host
            );
        }
        prop_assert!(!tenant.release_in_use || operator.release_in_use);
        prop_assert!(tenant.read_only || !operator.read_only);
        prop_assert!(tenant.no_inline_secrets || !operator.no_inline_secrets);
        let binds = |id: &str| given.contains(id);
        prop_assert!(!binds("gate") || tenant.level >= operator.level);
        prop_assert!(!binds("ask") || operator.ask == AskMode::Off || tenant.ask == AskMode::Auto);
        let most = |cap: Cap| cap.most().map_or(u64::MAX, u64::from);
        for (id, own, all) in [
            ("purchases_per_day", tenant.caps.purchases, operator.caps.purchases),
            ("releases_per_day", tenant.caps.releases, operator.caps.releases),
            ("imports_per_day", tenant.caps.imports, operator.caps.imports),
        ] {
            prop_assert!(!binds(id) || most(own) <= most(all), "{}: {:?} {:?}", id, own, all);
        }
        let amount = |spend: &Option<Money>| spend.as_ref().map_or(i64::MAX, Money::micros);
        prop_assert!(amount(&tenant.caps.spend) <= amount(&operator.caps.spend));
        Ok(())
    }

    /// Generates random settings, as flags and as lines of a section.
    fn random() -> impl Strategy<Value = Vec<(&'static str, Option<String>)>> {
        fn some(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
            prop::option::of(prop::sample::select(values).prop_map(str::to_owned))
        }
        fn list(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
            prop::option::of(prop::sample::subsequence(values, 0..=values.len()).prop_map(|list| list.join(",")))
        }
        let lists = (
            list(&TOOLS),
            list(&TOOLS),
            list(&["+14155550123", "+442079460123"]),
            list(&["US", "CA", "GB", "DE"]),
            list(&["local", "toll_free", "mobile"]),
            list(&["a.example.com", "b.example.com"]),
        );
        let words = (
            some(&["true", "false"]),
            some(&["true", "false"]),
            some(&["auto", "off"]),
            some(&["flag", "token"]),
            some(&["allow", "deny"]),
        );
        let amounts = (
            some(&["0", "3", "20", "unlimited"]),
            some(&["0", "3", "20", "unlimited"]),
            some(&["0", "3", "20", "unlimited"]),
            some(&["2 USD", "40 USD", "2 EUR"]),
            some(&["2 USD", "40 USD", "2 EUR"]),
        );
        (lists, words, amounts).prop_map(|((tools, except, protect, countries, types, hosts), words, amounts)| {
            let (read_only, in_use, ask, gate, inline) = words;
            let (purchases, releases, imports, spend, monthly) = amounts;
            vec![
                ("tools", tools),
                ("exclude_tools", except),
                ("protect", protect),
                ("countries", countries),
                ("number_types", types),
                ("sip_hosts", hosts),
                ("read_only", read_only),
                ("release_in_use", in_use),
                ("ask", ask),
                ("gate", gate),
                ("inline_secrets", inline),
                ("purchases_per_day", purchases),
                ("releases_per_day", releases),
                ("imports_per_day", imports),
                ("spend_per_day", spend),
                ("max_monthly_cost", monthly),
            ]
        })
    }

    fn is_list(name: &str) -> bool {
        matches!(name, "tools" | "exclude_tools" | "protect" | "countries" | "number_types" | "sip_hosts")
    }

    /// Writes settings as flags. An empty list and a switch that is off give no flag.
    fn flags(settings: &[(&str, Option<String>)]) -> Vec<String> {
        let mut flags = Vec::new();
        for (name, value) in settings {
            let flag = format!("--{}", name.replace('_', "-"));
            match value.as_deref() {
                None | Some("" | "false") => {}
                Some("true") => flags.push(flag),
                Some(value) => flags.push(format!("{flag}={value}")),
            }
        }
        flags
    }

    /// Writes settings as lines of a section.
    fn lines(settings: &[(&str, Option<String>)]) -> String {
        let line = |(name, value): &(&str, Option<String>)| {
            let value = value.as_deref()?;
            let quoted: Vec<String> =
                value.split(',').filter(|one| !one.is_empty()).map(|one| format!("{one:?}")).collect();
            Some(match value {
                "true" | "false" => format!("{name} = {value}\n"),
                _ if is_list(name) => format!("{name} = [{}]\n", quoted.join(", ")),
                _ => format!("{name} = {value:?}\n"),
            })
        };
        settings.iter().filter_map(line).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_tenant_is_never_allowed_more_than_the_operators_flags_allow(operator in random(), section in random()) {
            let flags = flags(&operator);
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let all = with(&flags);
            let policy = all.policy(&TOOLS).expect("the operator's flags");
            match tenant(&flags, &lines(&section)) {
                Ok(narrowed) => is_within(&narrowed, &policy, &all.given)?,
                // Refused with a reason: two currencies, or a release in use that the operator has not allowed.
                Err(error) => prop_assert!(error.0.contains("smaller") || error.0.contains("--release-in-use"), "{}", error),
            }
        }
    }
}
