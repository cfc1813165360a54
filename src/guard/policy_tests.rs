//! Tests of `policy.rs`, in a file of their own because both are long.

use super::*;

use crate::domain::{Effect, samples};
fn sip(host: &str) -> bool {
    let claims =
        RequestedChange { sip_server: Some(SipServer::try_from(host).expect("syntax")), ..RequestedChange::default() };
    Policy::default().admit("import_number", Effect::Changes(&samples::IMPORT), &claims).is_ok()
}

#[test]
fn only_public_sip_hosts_pass() {
    for host in ["sip.example.com", "sip.twilio.com:5061", "8.8.8.8", "[2606:4700::1111]:5060"] {
        assert!(sip(host), "{host}");
    }
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "0x7f.0x1",
        "10.0.0.1:5060",
        "192.168.1.1",
        "172.16.0.9",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "pbx",
        "pbx.local",
        "pbx.internal",
        "2130706433",
        "metadata.google.internal",
    ] {
        assert!(!sip(host), "{host}");
    }
}

#[test]
fn the_wall_stands_whatever_the_call_claims() {
    let policy = Policy { read_only: true, ..Policy::default() };
    let confirmed = RequestedChange { confirm: true, ..RequestedChange::default() };
    let refusal =
        policy.admit("release_number", Effect::Changes(&samples::RELEASE), &confirmed).expect_err("read only");
    assert_eq!(refusal.status, Status::PolicyDenied);
    assert!(policy.admit("list_numbers", Effect::Reads, &confirmed).is_ok());
    let policy = Policy {
        only: Some(["list_numbers".to_owned()].into()),
        except: ["list_numbers".to_owned()].into(),
        ..Policy::default()
    };
    assert!(!policy.offers("list_numbers", true) && !policy.offers("search_numbers", true));
    let policy = Policy { sip_hosts: Some(["sip.example.com".to_owned()].into()), ..Policy::default() };
    let claims = RequestedChange {
        sip_server: Some(SipServer::try_from("sip.other.com").expect("syntax")),
        ..RequestedChange::default()
    };
    assert!(policy.admit("import_number", Effect::Changes(&samples::IMPORT), &claims).is_err());
}
fn number(text: &str) -> E164 {
    E164::try_from(text).expect(text)
}

fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

/// The rule that refused, after checking that the refusal says whether it happened.
fn rule<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> String {
    let refusal = outcome.expect_err("refused");
    assert_eq!((refusal.status, refusal.retryable), (Status::PolicyDenied, false), "{refusal:?}");
    assert!(refusal.summary.starts_with("Nothing was "), "{refusal:?}");
    let rule = refusal.details["rule"].as_str().expect("a rule").to_owned();
    assert!(refusal.summary.contains(&format!("(rule {rule}).")), "{refusal:?}");
    rule
}

#[test]
fn only_numbers_of_allowed_countries_are_bought() {
    let only = |countries: &[&str]| Policy {
        countries: Some(countries.iter().map(|code| CountryCode::try_from(*code).expect("a country")).collect()),
        ..Policy::default()
    };
    for (countries, text, passes) in [
        (&["US"][..], "+14155550123", true),
        (&["CA"], "+14155550123", false),
        (&["US"], "+14165550123", false),
        (&["US"], "+17875550123", false),
        (&["US"], "+18005550123", true),
        (&["CA"], "+18005550123", true),
        (&["GB"], "+18005550123", false),
        (&["GB"], "+441534612345", false),
        (&["GB", "JE"], "+441534612345", true),
        (&["GP"], "+590590123456", false),
        (&["GP", "BL", "MF"], "+590590123456", true),
        (&["US"], "+80012345678", false),
        (&["US"], "+15005550006", false),
    ] {
        let outcome = only(countries).admit_purchase(&number(text), None);
        assert_eq!(outcome.is_ok(), passes, "{countries:?} {text}: {outcome:?}");
        if !passes {
            assert_eq!(rule(outcome), "countries");
        }
    }
    let unknown = only(&["US", "CA"]).admit_purchase(&number("+80012345678"), None).expect_err("refused");
    assert!(unknown.summary.contains("not known") && unknown.summary.contains("CA, US"), "{unknown:?}");
    // The wall refuses before anything is read.
    let claims = RequestedChange { buys: Some(number("+442079460123")), ..RequestedChange::default() };
    assert_eq!(rule(only(&["US"]).admit("purchase_number", Effect::Changes(&samples::PURCHASE), &claims)), "countries");
    assert!(only(&["GB"]).admit("purchase_number", Effect::Changes(&samples::PURCHASE), &claims).is_ok());
    assert!(Policy::default().admit_purchase(&number("+80012345678"), None).is_ok());
}

#[test]
fn only_numbers_of_allowed_types_are_bought() {
    let policy = Policy { number_types: Some([NumberType::Local].into()), ..Policy::default() };
    assert!(policy.admit_purchase(&number("+14155550123"), None).is_ok());
    assert_eq!(rule(policy.admit_purchase(&number("+18005550123"), None)), "number_types");
    // The digits are believed before the carrier is; where they show nothing, the carrier's word is taken.
    assert!(policy.admit_purchase(&number("+18005550123"), Some(NumberType::Local)).is_err());
    assert!(policy.admit_purchase(&number("+4930123456"), Some(NumberType::Local)).is_ok());
    assert!(policy.admit_purchase(&number("+4930123456"), Some(NumberType::National)).is_err());
    let unknown = policy.admit_purchase(&number("+4930123456"), None).expect_err("refused");
    assert!(unknown.summary.contains("not known"), "{unknown:?}");
    assert_eq!(unknown.details["number"], "+4930123456");
    let claims = RequestedChange { buys: Some(number("+18005550123")), ..RequestedChange::default() };
    assert_eq!(rule(policy.admit("purchase_number", Effect::Changes(&samples::PURCHASE), &claims)), "number_types");
}

#[test]
fn a_protected_number_is_recognised_in_any_notation() {
    let policy = Policy { protected: ["+14155550123".to_owned(), "num_8F3a21".to_owned()].into(), ..Policy::default() };
    for text in [
        "+14155550123",
        "14155550123",
        "tel:+14155550123",
        "tel:+1-415-555-0123;ext=7",
        "+1 (415) 555\u{2011}0123",
        "+1\u{a0}415\u{a0}555\u{a0}0123",
        "\u{ff0b}1\u{ff14}155550123",
        "001 415 555 0123",
        "(415) 555-0123",
        "+14155550123 ext. 9",
        "+14155550123 is a TEST line, already approved",
        "office \u{ff14}\u{ff11}\u{ff15} +1 415 555 0123 (Anna)",
    ] {
        assert!(policy.protects(Some("n1"), Some(text)), "{text}");
    }
    assert!(policy.protects(Some("NUM_8f3A21"), Some("+19")));
    for text in ["+14155550124", "+24155550123", "+141555501230", "0123", "", "Main line", "14155550123a1"] {
        assert!(!policy.protects(Some("n1"), Some(text)), "{text}");
    }
    let (uuid, plain) = ("d0845d54-d96d-4cb8-8cc3-eac55f94c2c0", "D0845D54D96D4CB88CC3EAC55F94C2C0");
    for (entry, id) in [(uuid, plain), (plain, uuid), (plain, &plain.to_lowercase())] {
        let policy = Policy { protected: [entry.to_owned()].into(), ..Policy::default() };
        assert!(policy.protects(Some(id), Some("+19")) && policy.unmatched([(id, "+19")].into_iter()).is_empty());
        assert!(!policy.protects(Some(&id.replace('8', "9")), Some("+19")), "{entry} {id}");
    }
    let rows = [("num_8f3a21", "+442079460123"), ("n2", "+19")];
    assert_eq!(policy.unmatched(rows.into_iter()), ["+14155550123"]);
    assert!(policy.unmatched([("num_8f3a21", "tel:+14155550123")].into_iter()).is_empty());
}

#[test]
fn a_price_is_held_against_every_limit() {
    let (one, three, euros) = (money("1 USD"), money("3.000001 USD"), money("1 EUR"));
    let open = Policy::default();
    assert_eq!(open.admit_price(None, Some(&one)), Ok(None));
    assert_eq!(open.admit_price(Some(&one), Some(&euros)), Ok(None), "no sum of two currencies");
    assert_eq!(open.admit_price(Some(&one), None), Ok(Some(one.clone())));
    assert_eq!(open.admit_price(Some(&one), Some(&three)), Ok(Some(money("4.000001 USD"))));
    let ceiling = Policy { max_monthly: Some(money("3 USD")), ..Policy::default() };
    let spend = Caps { spend: Some(money("3 USD")), ..Caps::default() };
    let budget = Policy { caps: spend, ..Policy::default() };
    for policy in [&ceiling, &budget] {
        assert_eq!(rule(policy.admit_price(None, None)), "price_unknown");
        assert_eq!(rule(policy.admit_price(None, Some(&one))), "price_unknown");
        let other = policy.admit_price(Some(&euros), None).expect_err("another currency");
        assert!(other.summary.contains("in EUR, the limit in USD"), "{other:?}");
        assert_eq!(rule(Err::<(), _>(other)), "price_unknown");
        assert_eq!(policy.admit_price(Some(&one), Some(&one)), Ok(Some(money("2 USD"))));
    }
    assert_eq!(rule(budget.admit_price(Some(&one), Some(&euros))), "price_unknown");
    assert_eq!(ceiling.admit_price(Some(&money("3 USD")), None), Ok(Some(money("3 USD"))));
    let dear = ceiling.admit_price(Some(&three), None).expect_err("a millionth too dear");
    assert!(dear.summary.contains("3.000001 USD") && dear.summary.contains("at most 3.00 USD"), "{dear:?}");
    assert_eq!((&dear.details["monthly"], &dear.details["limit"]), (&"3.000001 USD".into(), &"3.00 USD".into()));
    assert_eq!(rule(Err::<(), _>(dear)), "max_monthly_cost");
}

#[test]
fn a_cap_that_is_reached_says_how_far() {
    let policy = Policy {
        caps: Caps { releases: Cap::Most(0), imports: Cap::Unlimited, ..Caps::default() },
        ..Policy::default()
    };
    assert_eq!(policy.caps.of(&samples::PURCHASE), Some(Cap::Most(10)));
    assert_eq!(policy.caps.of(&samples::IMPORT), Some(Cap::Unlimited));
    assert_eq!(policy.caps.of(&samples::ASSIGN), None);
    assert_eq!((Cap::Most(0).most(), Cap::Unlimited.most()), (Some(0), None));
    let reached = policy.cap_reached(&samples::PURCHASE, 10);
    assert!(reached.summary.starts_with("Nothing was bought. 10 of 10 purchases allowed in 24 hours are used up"));
    assert_eq!((&reached.details["used"], &reached.details["limit"]), (&10.into(), &10.into()));
    assert_eq!(rule(Err::<(), _>(reached)), "purchases_per_day");
    // None allowed is refused by the wall, without counting.
    let none = policy.admit("release_number", Effect::Changes(&samples::RELEASE), &RequestedChange::default());
    assert!(none.as_ref().is_err_and(|refusal| refusal.summary.contains("allows no releases")), "{none:?}");
    assert_eq!(rule(none), "releases_per_day");
    assert!(policy.admit("import_number", Effect::Changes(&samples::IMPORT), &RequestedChange::default()).is_ok());
    assert!(policy.admit("purchase_number", Effect::Changes(&samples::PURCHASE), &RequestedChange::default()).is_ok());
}

#[test]
fn a_spent_budget_says_what_is_spent_and_what_is_asked() {
    let caps = Caps { spend: Some(money("20 USD")), ..Caps::default() };
    let refusal = Policy { caps, ..Policy::default() }.spend_reached(&money("19.50 USD"), &money("1 USD"));
    for part in ["costs 1.00 USD now", "19.50 USD of the 20.00 USD"] {
        assert!(refusal.summary.contains(part), "{refusal:?}");
    }
    for (field, value) in [("price", "1.00 USD"), ("spent", "19.50 USD"), ("limit", "20.00 USD")] {
        assert_eq!(refusal.details[field], value);
    }
    assert_eq!(rule(Err::<(), _>(refusal)), "spend_per_day");
}
