//! Tests of `country.rs`, in a file of their own because both are long.

use super::*;

fn number(text: &str) -> E164 {
    E164::try_from(text).expect(text)
}

#[test]
fn countries_are_told_by_the_longest_prefix() {
    for (text, countries) in [
        ("+14155550123", "US"),
        ("+15205550123", "US"),
        ("+14165550123", "CA"),
        ("+16005550123", "CA"),
        ("+17875550123", "PR"),
        ("+18765550123", "JM"),
        ("+18005550123", "US CA"),
        ("+18885550123", "US CA"),
        ("+442079460123", "GB"),
        ("+447700900123", "GB"),
        ("+441481255123", "GG"),
        ("+447797712345", "JE"),
        ("+447624312345", "IM"),
        ("+390612345678", "IT"),
        ("+390669812345", "VA"),
        ("+390549881234", "SM"),
        ("+74951234567", "RU"),
        ("+77012345678", "KZ"),
        ("+61298765432", "AU"),
        ("+61891621234", "CC"),
        ("+4721234567", "NO"),
        ("+4779021234", "SJ"),
        ("+35818123456", "AX"),
        ("+358912345678", "FI"),
        ("+262262123456", "RE"),
        ("+262269612345", "YT"),
        ("+262976123456", "RE YT"),
        ("+590590123456", "BL GP MF"),
        ("+59994351234", "CW"),
        ("+5997171234", "BQ"),
        ("+212528812345", "EH MA"),
        ("+212522123456", "MA"),
        ("+85221234567", "HK"),
        ("+97141234567", "AE"),
    ] {
        assert_eq!(number(text).countries().join(" "), countries, "{text}");
    }
    // Services, machines and persons, satellites, and what nobody has been given.
    for text in ["+80012345678", "+882123456789", "+15005550006", "+19005550123", "+14115550123", "+19995550123"] {
        assert_eq!(number(text).countries(), [""; 0], "{text}");
    }
}

#[test]
fn the_table_has_every_country_once_and_no_prefix_twice() {
    let mut prefixes = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (countries, row) in COUNTRIES {
        assert!(row == CANADA_AT_LARGE || names.insert(countries), "{countries} has two rows");
        for country in countries.split_whitespace() {
            assert!(CountryCode::try_from(country).is_ok(), "{country}");
        }
        for prefix in row.split(' ') {
            assert!(!prefix.starts_with('0') && prefix.parse::<u64>().is_ok(), "{countries}: {prefix:?}");
            assert!(prefixes.insert(prefix), "{prefix} stands twice");
        }
    }
    for (kind, row) in TYPES {
        assert!(row.split(' ').all(|prefix| prefix.parse::<u64>().is_ok()), "{kind:?}");
    }
    for (code, known) in [("US", true), ("GB", true), ("GP", true), ("UK", false), ("EN", false)] {
        assert_eq!(CountryCode::try_from(code).expect(code).has_numbers(), known, "{code}");
    }
}

#[test]
fn a_type_is_known_only_where_the_digits_show_it() {
    for (text, kind) in [
        ("+14155550123", Some(NumberType::Local)),
        ("+18335550123", Some(NumberType::TollFree)),
        ("+448081570123", Some(NumberType::TollFree)),
        ("+80012345678", Some(NumberType::TollFree)),
        ("+442079460123", Some(NumberType::Local)),
        ("+447700900123", Some(NumberType::Mobile)),
        ("+443069990123", Some(NumberType::National)),
        ("+33612345678", Some(NumberType::Mobile)),
        ("+447012345678", None),
        ("+4930123456", None),
        ("+15005550006", None),
        ("+16005550123", None),
        ("+551131234567", None),
    ] {
        assert_eq!(number(text).number_type(), kind, "{text}");
    }
    assert!(E164::is_toll_free("877") && !E164::is_toll_free("415") && !E164::is_toll_free("822"));
}

#[test]
fn a_number_is_looked_for_where_it_can_be_for_sale() {
    for (text, regions) in [
        ("+14155550123", vec![("US", Some("415"))]),
        ("+14165550123", vec![("CA", Some("416"))]),
        ("+18005550123", vec![("US", Some("800"))]),
        ("+17875550123", vec![("PR", None)]),
        ("+442079460123", vec![("GB", None)]),
        ("+590590123456", vec![("BL", None), ("GP", None)]),
        ("+80012345678", vec![]),
    ] {
        assert_eq!(number(text).regions(), regions, "{text}");
    }
}
