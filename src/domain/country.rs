//! The country and the type of a number, from its first digits.
//!
//! Sources:
//!
//! - ITU-T E.164 assignments of country codes
//! - the area codes of the North American plan (NANPA, CNA)
//! - national plans of countries that share a code

use std::collections::BTreeSet;

use crate::domain::argument::choice::NumberType;
use crate::domain::phone::{AreaCode, CountryCode, E164};

impl E164 {
    /// Returns the countries that the number may belong to, ISO 3166-1 alpha-2.
    ///
    /// There are several if countries share a code. There are none if the country is unknown or the number belongs to
    /// none.
    pub fn countries(&self) -> Vec<&'static str> {
        longest(&COUNTRIES, self.digits()).map(|countries| countries.split_whitespace().collect()).unwrap_or_default()
    }

    /// Returns the type of the number. `None` if its digits do not show it.
    pub fn number_type(&self) -> Option<NumberType> {
        longest(&TYPES, self.digits())?
    }

    /// Returns where to search for this number among numbers for sale: at most two pairs of country and area code.
    pub fn regions(&self) -> Vec<(&'static str, Option<&str>)> {
        let area = self.as_str().strip_prefix("+1").and_then(|national| national.get(..3));
        // The same toll-free numbers are for sale in every country of the plan, so one country is enough.
        let most = if self.number_type() == Some(NumberType::TollFree) { 1 } else { 2 };
        let countries = self.countries().into_iter().take(most);
        countries.map(|country| (country, area.filter(|_| matches!(country, "US" | "CA")))).collect()
    }

    /// Checks whether an area code of the North American plan is toll-free.
    pub fn is_toll_free(area: &str) -> bool {
        longest(&TYPES, &format!("1{area}")) == Some(Some(NumberType::TollFree))
    }

    pub(super) fn digits(&self) -> &str {
        self.as_str().trim_start_matches('+')
    }
}

impl AreaCode {
    /// Returns the only country of the North American plan that has this area code. `None` if it is not listed.
    ///
    /// The US is never returned, since it has every code that is not listed for another country.
    pub fn country(&self) -> Option<&'static str> {
        let digits = format!("1{}", self.as_str());
        let whole = self.as_str().len() == 3;
        let country = longest(&COUNTRIES, &digits).filter(|country| whole && *country != "US")?;
        Some(country).filter(|country| country.len() == 2)
    }
}

impl AreaCode {
    /// Returns why no number of the North American plan has this area code. `None` if a number may have it.
    pub fn impossible(&self) -> Option<String> {
        let code = self.as_str();
        match code.as_bytes() {
            [_, b'1', b'1'] => Some(format!("{code} is the number of a service (N11), and no area code")),
            [b'0' | b'1', _, _] => Some(format!("no area code begins with 0 or 1, and {code} does")),
            [_, _, _] => None,
            digits => Some(format!("an area code of US and CA has three digits, and this has {}", digits.len())),
        }
    }
}

impl CountryCode {
    /// Returns all countries that have numbers, in alphabetical order.
    pub fn all() -> Vec<&'static str> {
        let codes: BTreeSet<&str> = COUNTRIES.iter().flat_map(|(countries, _)| countries.split_whitespace()).collect();
        codes.into_iter().collect()
    }

    /// Checks whether any numbers belong to this country. `UK` has the right form, but it is not a country code.
    pub fn has_numbers(&self) -> bool {
        COUNTRIES.iter().any(|(countries, _)| countries.split(' ').any(|country| country == self.as_str()))
    }
}

/// Returns the value of the longest prefix that these digits start with.
fn longest<T: Copy>(rows: &[(T, &str)], digits: &str) -> Option<T> {
    let prefixes = rows.iter().flat_map(|(found, prefixes)| prefixes.split(' ').map(move |prefix| (*found, prefix)));
    let fitting = prefixes.filter(|(_, prefix)| digits.starts_with(prefix));
    fitting.max_by_key(|(_, prefix)| prefix.len()).map(|(found, _)| found)
}

/// Ranges of the North American plan that belong to no country: services, persons, machines, and unused ranges.
const NOWHERE: &str = "10 11 1211 1311 1411 1511 1611 1711 1811 1911 129 139 149 159 169 179 189 199 1456 1500 1521 1522 \
     1523 1524 1525 1526 1527 1528 1529 1532 1533 1535 1538 1542 1543 1544 1545 1546 1547 1549 1550 1552 1553 1554 1556 \
     1566 1569 1577 1578 1588 1589 1700 1710 1822 188 1900";

/// Toll-free area codes of the North American plan.
const TOLL_FREE: &str = "1800 1833 1844 1855 1866 1877 1888";

/// Area codes of the North American plan that belong to the whole of Canada.
const CANADA_AT_LARGE: &str = "1600 1622 1633 1644 1655 1677 1688";

/// Countries and the prefixes of their numbers. The longest matching prefix counts.
///
/// A prefix lists several countries if they share a code and the next digits do not distinguish them. Kosovo has no ISO
/// code. The usual `XK` stands for it.
const COUNTRIES: [(&str, &str); 246] = [
    ("AD", "376"),
    ("AE", "971"),
    ("AF", "93"),
    ("AG", "1268"),
    ("AI", "1264"),
    ("AL", "355"),
    ("AM", "374"),
    ("AO", "244"),
    ("AQ", "6721"),
    ("AR", "54"),
    ("AS", "1684"),
    ("AT", "43"),
    ("AU", "61"),
    ("AW", "297"),
    ("AX", "35818"),
    ("AZ", "994"),
    ("BA", "387"),
    ("BB", "1246"),
    ("BD", "880"),
    ("BE", "32"),
    ("BF", "226"),
    ("BG", "359"),
    ("BH", "973"),
    ("BI", "257"),
    ("BJ", "229"),
    ("BL GP MF", "590"),
    ("BM", "1441"),
    ("BN", "673"),
    ("BO", "591"),
    ("BQ", "5993 5994 5997"),
    ("BR", "55"),
    ("BS", "1242"),
    ("BT", "975"),
    ("BW", "267"),
    ("BY", "375"),
    ("BZ", "501"),
    (
        "CA",
        "1204 1226 1236 1249 1250 1257 1263 1273 1289 1306 1343 1354 1365 1367 1368 1382 1403 1416 1418 1428 \
         1431 1437 1438 1450 1468 1474 1506 1514 1519 1548 1579 1581 1584 1587 1604 1613 1639 1647 1672 1683 \
         1705 1709 1742 1753 1778 1780 1782 1807 1819 1825 1867 1873 1879 1902 1905 1942",
    ),
    ("CC", "6189162"),
    ("CD", "243"),
    ("CF", "236"),
    ("CG", "242"),
    ("CH", "41"),
    ("CI", "225"),
    ("CK", "682"),
    ("CL", "56"),
    ("CM", "237"),
    ("CN", "86"),
    ("CO", "57"),
    ("CR", "506"),
    ("CU", "53"),
    ("CV", "238"),
    ("CW", "5999"),
    ("CX", "6189164"),
    ("CY", "357"),
    ("CZ", "420"),
    ("DE", "49"),
    ("DJ", "253"),
    ("DK", "45"),
    ("DM", "1767"),
    ("DO", "1809 1829 1849"),
    ("DZ", "213"),
    ("EC", "593"),
    ("EE", "372"),
    ("EG", "20"),
    ("EH MA", "2125288 2125289"),
    ("ER", "291"),
    ("ES", "34"),
    ("ET", "251"),
    ("FI", "358"),
    ("FJ", "679"),
    ("FK", "500"),
    ("FM", "691"),
    ("FO", "298"),
    ("FR", "33"),
    ("GA", "241"),
    ("GB", "44"),
    ("GD", "1473"),
    ("GE", "995"),
    ("GF", "594"),
    ("GG", "441481 447781 447839 4479111 4479117"),
    ("GH", "233"),
    ("GI", "350"),
    ("GL", "299"),
    ("GM", "220"),
    ("GN", "224"),
    ("GQ", "240"),
    ("GR", "30"),
    ("GT", "502"),
    ("GU", "1671"),
    ("GW", "245"),
    ("GY", "592"),
    ("HK", "852"),
    ("HN", "504"),
    ("HR", "385"),
    ("HT", "509"),
    ("HU", "36"),
    ("ID", "62"),
    ("IE", "353"),
    ("IL", "972"),
    ("IM", "441624 4474576 447524 447624 447924"),
    ("IN", "91"),
    ("IO", "246"),
    ("IQ", "964"),
    ("IR", "98"),
    ("IS", "354"),
    ("IT", "39"),
    ("JE", "441534 447509 4477003 4477007 4477008 447797 447829 447937"),
    ("JM", "1658 1876"),
    ("JO", "962"),
    ("JP", "81"),
    ("KE", "254"),
    ("KG", "996"),
    ("KH", "855"),
    ("KI", "686"),
    ("KM", "269"),
    ("KN", "1869"),
    ("KP", "850"),
    ("KR", "82"),
    ("KW", "965"),
    ("KY", "1345"),
    ("KZ", "76 77"),
    ("LA", "856"),
    ("LB", "961"),
    ("LC", "1758"),
    ("LI", "423"),
    ("LK", "94"),
    ("LR", "231"),
    ("LS", "266"),
    ("LT", "370"),
    ("LU", "352"),
    ("LV", "371"),
    ("LY", "218"),
    ("MA", "212"),
    ("MC", "377"),
    ("MD", "373"),
    ("ME", "382"),
    ("MG", "261"),
    ("MH", "692"),
    ("MK", "389"),
    ("ML", "223"),
    ("MM", "95"),
    ("MN", "976"),
    ("MO", "853"),
    ("MP", "1670"),
    ("MQ", "596"),
    ("MR", "222"),
    ("MS", "1664"),
    ("MT", "356"),
    ("MU", "230"),
    ("MV", "960"),
    ("MW", "265"),
    ("MX", "52"),
    ("MY", "60"),
    ("MZ", "258"),
    ("NA", "264"),
    ("NC", "687"),
    ("NE", "227"),
    ("NF", "6723"),
    ("NG", "234"),
    ("NI", "505"),
    ("NL", "31"),
    ("NO", "47"),
    ("NP", "977"),
    ("NR", "674"),
    ("NU", "683"),
    ("NZ", "64"),
    ("OM", "968"),
    ("PA", "507"),
    ("PE", "51"),
    ("PF", "689"),
    ("PG", "675"),
    ("PH", "63"),
    ("PK", "92"),
    ("PL", "48"),
    ("PM", "508"),
    ("PR", "1787 1939"),
    ("PS", "970"),
    ("PT", "351"),
    ("PW", "680"),
    ("PY", "595"),
    ("QA", "974"),
    ("RE", "262262 262263 262692 262693"),
    ("RE YT", "262"),
    ("RO", "40"),
    ("RS", "381"),
    ("RU", "7"),
    ("RW", "250"),
    ("SA", "966"),
    ("SB", "677"),
    ("SC", "248"),
    ("SD", "249"),
    ("SE", "46"),
    ("SG", "65"),
    ("SH", "247 290"),
    ("SI", "386"),
    ("SJ", "4779"),
    ("SK", "421"),
    ("SL", "232"),
    ("SM", "378 390549"),
    ("SN", "221"),
    ("SO", "252"),
    ("SR", "597"),
    ("SS", "211"),
    ("ST", "239"),
    ("SV", "503"),
    ("SX", "1721"),
    ("SY", "963"),
    ("SZ", "268"),
    ("TC", "1649"),
    ("TD", "235"),
    ("TG", "228"),
    ("TH", "66"),
    ("TJ", "992"),
    ("TK", "690"),
    ("TL", "670"),
    ("TM", "993"),
    ("TN", "216"),
    ("TO", "676"),
    ("TR", "90"),
    ("TT", "1868"),
    ("TV", "688"),
    ("TW", "886"),
    ("TZ", "255"),
    ("UA", "380"),
    ("UG", "256"),
    ("US", "1"),
    ("UY", "598"),
    ("UZ", "998"),
    ("VA", "379 3906698"),
    ("VC", "1784"),
    ("VE", "58"),
    ("VG", "1284"),
    ("VI", "1340"),
    ("VN", "84"),
    ("VU", "678"),
    ("WF", "681"),
    ("WS", "685"),
    ("XK", "383"),
    ("YE", "967"),
    ("YT", "262269 262639"),
    ("ZA", "27"),
    ("ZM", "260"),
    ("ZW", "263"),
    ("CA", CANADA_AT_LARGE),
    ("US CA", TOLL_FREE),
    ("", NOWHERE),
];

/// Types and the prefixes of their numbers, for countries whose prefixes show the type.
const TYPES: [(Option<NumberType>, &str); 7] = [
    (Some(NumberType::TollFree), TOLL_FREE),
    (
        Some(NumberType::TollFree),
        "31800 32800 33800 33801 33802 33803 33804 33805 34800 34900 39800 41800 44800 44808 49800 611800 800 9721800",
    ),
    (Some(NumberType::Local), "1 331 332 333 334 335 390 441 442 612 613 617 618"),
    (
        Some(NumberType::Mobile),
        "316 3246 3247 3248 3249 336 337 346 347 35383 35385 35386 35387 35389 393 4175 4176 4177 4178 4179 4471 4472 \
         4473 4474 4475 4477 4478 4479 447624 4915 49160 49162 49163 4917 614 9725",
    ),
    (Some(NumberType::National), "339 443 4932"),
    (None, NOWHERE),
    (None, CANADA_AT_LARGE),
];

#[cfg(test)]
#[path = "country_tests.rs"]
mod tests;
