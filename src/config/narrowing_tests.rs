//! Tests of `narrowing.rs`, beside it since both together are long.

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
    assert_eq!(both(&["--purchases-per-day", "3"], "purchases_per_day = \"unlimited\"\n").caps.purchases, Cap::Most(3));
    assert_eq!(both(&["--spend-per-day", "20 USD"], "spend_per_day = \"50 USD\"\n").caps.spend, Money::parse("20 USD"));
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
        both(&["--sip-hosts", "SIP.Example.com"], "sip_hosts = [\"sip.example.com\", \"b.example.com\"]\n").sip_hosts,
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
