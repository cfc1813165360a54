//! Where a number is from: city and state for +1, otherwise the country.
//!
//! Source: [`area_codes`](crate::domain::area_codes) for +1; ITU-T E.164 country codes for the others. It is where the
//! number was assigned, not where anybody is. A number may have been moved to another place since.

use std::fmt;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use crate::domain::area_codes::AREA_CODES;
use crate::domain::argument::choice::NumberType;
use crate::domain::nearest::{did_you_mean, unlikeness};
use crate::domain::phone::E164;
use crate::domain::phone_digits::is_e164;

/// Where a number is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberLocation {
    /// An area of the United States or Canada.
    Area {
        /// The main city. Empty if the area code covers a whole province.
        city: &'static str,
        /// The state or province as two letters.
        region: &'static str,
    },
    /// A toll-free number. It has a country unless it is of the North American plan.
    TollFree(Option<&'static str>),
    /// The countries that the number may belong to, ISO 3166-1 alpha-2. Usually there is one.
    Countries(Vec<&'static str>),
}

impl NumberLocation {
    /// Returns where a number in E.164 is from. `None` if the text is no such number or its country is not known.
    pub fn of(number: &str) -> Option<Self> {
        if let Some(code) = area_code_of(number).filter(|_| is_e164(number))
            && let Some((city, region)) = area(code)
        {
            return Some(Self::Area { city, region });
        }
        let number = E164::try_from(number).ok()?;
        let countries = number.countries();
        if number.number_type() == Some(NumberType::TollFree) {
            return Some(Self::TollFree(countries.first().copied().filter(|_| countries.len() == 1)));
        }
        Some(Self::Countries(countries)).filter(|found| *found != Self::Countries(Vec::new()))
    }

    /// Checks whether the place is the one that a person writes: `Boston`, `Boston, MA`, `Massachusetts`, `GB`, `UK`,
    /// `toll-free`.
    ///
    /// Two letters mean a state or province for +1. So `CA` is California, and `Canada` is Canada.
    pub fn fits(&self, wanted: &str) -> bool {
        let names = self.names();
        let whole = in_compared_form(wanted);
        names.contains(&whole)
            || wanted.split(',').map(in_compared_form).all(|part| !part.is_empty() && names.contains(&part))
    }

    /// Returns how much the place differs from what a person wrote: 0 means equal, 1000 means nothing in common.
    pub fn unlikeness(&self, wanted: &str) -> usize {
        let wanted = in_compared_form(wanted);
        if wanted.is_empty() {
            return 1000;
        }
        self.names().iter().filter(|name| name.len() > 2).map(|name| unlikeness(&wanted, name)).min().unwrap_or(1000)
    }

    /// Returns the names of the place, in the form in which they are compared.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Area { city, region } => {
                let (name, country) = region_named(region);
                let mut names = vec![region.to_lowercase(), name.to_lowercase()];
                names.extend(country_names(country).filter(|name| name != "ca"));
                if !city.is_empty() {
                    let city = in_compared_form(city);
                    names.extend([
                        format!("{city} {}", region.to_lowercase()),
                        format!("{city} {}", name.to_lowercase()),
                    ]);
                    names.push(city);
                }
                names
            }
            Self::TollFree(country) => {
                let mut names = vec!["toll free".to_owned(), "tollfree".to_owned(), "freephone".to_owned()];
                names.extend(country.iter().flat_map(|country| country_names(country)));
                names
            }
            Self::Countries(countries) => countries.iter().flat_map(|country| country_names(country)).collect(),
        }
    }

    /// Checks whether a text names a place of the United States or Canada: a city of the table, a state or a province.
    pub fn is_named(text: &str) -> bool {
        let is_city = |part: &str| AREA_CODES.iter().any(|(_, city, _)| part == in_compared_form(city));
        let is_region = |part: &str| {
            REGIONS.iter().any(|(code, name, _)| part == name.to_lowercase() || part == code.to_lowercase())
        };
        let parts: Vec<String> = text.split(',').map(in_compared_form).collect();
        match parts.iter().map(String::as_str).collect::<Vec<&str>>().as_slice() {
            [""] => false,
            [place] => is_city(place) || is_region(place),
            [city, region] => is_city(city) && is_region(region),
            _ => false,
        }
    }

    /// Returns the city of the table whose name was probably meant. `None` if none is near or the text is such a city.
    pub fn nearest_city(text: &str) -> Option<&'static str> {
        let wanted = in_compared_form(text);
        let cities = AREA_CODES.iter().map(|(_, city, _)| *city).filter(|city| city.len() > 3);
        let near = did_you_mean(&wanted, cities)?;
        (in_compared_form(near) != wanted).then_some(near)
    }
}

/// `Boston, MA`, `Alberta`, `toll-free`, `toll-free, GB` or `GB`.
impl fmt::Display for NumberLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Area { city: "", region } => formatter.write_str(region_named(region).0),
            Self::Area { city, region } => write!(formatter, "{city}, {region}"),
            Self::TollFree(None) => formatter.write_str("toll-free"),
            Self::TollFree(Some(country)) => write!(formatter, "toll-free, {country}"),
            Self::Countries(countries) => formatter.write_str(&countries.join("/")),
        }
    }
}

/// Returns the area code of a number of the North American plan.
pub fn area_code_of(number: &str) -> Option<&str> {
    let national = number.strip_prefix("+1").filter(|national| national.len() == 10)?;
    national.get(..3).filter(|code| code.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns the main city and the state of an area code.
fn area(code: &str) -> Option<(&'static str, &'static str)> {
    /// For each area code its row in the table, and one more. 0 means that there is none.
    static ROWS: LazyLock<Vec<u16>> = LazyLock::new(|| {
        let mut rows = vec![0; 1000];
        for (at, (_, _, codes)) in AREA_CODES.iter().enumerate() {
            for code in codes.split(' ').filter_map(|code| code.parse::<usize>().ok()) {
                if let (Some(row), Ok(at)) = (rows.get_mut(code), u16::try_from(at + 1)) {
                    *row = at;
                }
            }
        }
        rows
    });
    let row = ROWS.get(code.parse::<usize>().ok()?)?.checked_sub(1)?;
    let (region, city, _) = AREA_CODES.get(usize::from(row))?;
    Some((city, region))
}

/// Returns a name in the form in which places are compared: lower case, without accents, marks and words such as `the`.
fn in_compared_form(text: &str) -> String {
    let plain: String = text
        .nfd()
        .filter(|c| c.is_ascii())
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    let words = plain.split_whitespace().filter(|word| !["the", "our", "my", "number", "numbers", "s"].contains(word));
    let words: Vec<&str> = words.map(|word| if word == "saint" { "st" } else { word }).collect();
    match words.as_slice() {
        ["nyc"] | ["new", "york", "city"] => "new york".to_owned(),
        words => words.join(" "),
    }
}

/// Returns the names under which people know a country, in lower case. Its code is the first.
fn country_names(code: &str) -> impl Iterator<Item = String> {
    let more: &[&str] = match code {
        "US" => &["usa", "united states", "america"],
        "CA" => &["canada"],
        "GB" => &["uk", "united kingdom", "great britain", "england"],
        _ => &[],
    };
    std::iter::once(code.to_ascii_lowercase()).chain(more.iter().map(|name| (*name).to_owned()))
}

/// Returns the name of a state or province, and its country.
fn region_named(code: &'static str) -> (&'static str, &'static str) {
    REGIONS.iter().find(|(own, _, _)| *own == code).map_or((code, "US"), |(_, name, country)| (name, country))
}

/// States of the US and provinces of Canada: code, name, country. Source: ISO 3166-2:US, ISO 3166-2:CA.
const REGIONS: [(&str, &str, &str); 64] = [
    ("AK", "Alaska", "US"),
    ("AL", "Alabama", "US"),
    ("AR", "Arkansas", "US"),
    ("AZ", "Arizona", "US"),
    ("CA", "California", "US"),
    ("CO", "Colorado", "US"),
    ("CT", "Connecticut", "US"),
    ("DC", "District of Columbia", "US"),
    ("DE", "Delaware", "US"),
    ("FL", "Florida", "US"),
    ("GA", "Georgia", "US"),
    ("HI", "Hawaii", "US"),
    ("IA", "Iowa", "US"),
    ("ID", "Idaho", "US"),
    ("IL", "Illinois", "US"),
    ("IN", "Indiana", "US"),
    ("KS", "Kansas", "US"),
    ("KY", "Kentucky", "US"),
    ("LA", "Louisiana", "US"),
    ("MA", "Massachusetts", "US"),
    ("MD", "Maryland", "US"),
    ("ME", "Maine", "US"),
    ("MI", "Michigan", "US"),
    ("MN", "Minnesota", "US"),
    ("MO", "Missouri", "US"),
    ("MS", "Mississippi", "US"),
    ("MT", "Montana", "US"),
    ("NC", "North Carolina", "US"),
    ("ND", "North Dakota", "US"),
    ("NE", "Nebraska", "US"),
    ("NH", "New Hampshire", "US"),
    ("NJ", "New Jersey", "US"),
    ("NM", "New Mexico", "US"),
    ("NV", "Nevada", "US"),
    ("NY", "New York", "US"),
    ("OH", "Ohio", "US"),
    ("OK", "Oklahoma", "US"),
    ("OR", "Oregon", "US"),
    ("PA", "Pennsylvania", "US"),
    ("RI", "Rhode Island", "US"),
    ("SC", "South Carolina", "US"),
    ("SD", "South Dakota", "US"),
    ("TN", "Tennessee", "US"),
    ("TX", "Texas", "US"),
    ("UT", "Utah", "US"),
    ("VA", "Virginia", "US"),
    ("VT", "Vermont", "US"),
    ("WA", "Washington", "US"),
    ("WI", "Wisconsin", "US"),
    ("WV", "West Virginia", "US"),
    ("WY", "Wyoming", "US"),
    ("AB", "Alberta", "CA"),
    ("BC", "British Columbia", "CA"),
    ("MB", "Manitoba", "CA"),
    ("NB", "New Brunswick", "CA"),
    ("NL", "Newfoundland and Labrador", "CA"),
    ("NS", "Nova Scotia", "CA"),
    ("NT", "Northwest Territories", "CA"),
    ("NU", "Nunavut", "CA"),
    ("ON", "Ontario", "CA"),
    ("PE", "Prince Edward Island", "CA"),
    ("QC", "Quebec", "CA"),
    ("SK", "Saskatchewan", "CA"),
    ("YT", "Yukon", "CA"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn shown(number: &str) -> Option<String> {
        NumberLocation::of(number).map(|place| place.to_string())
    }

    #[test]
    fn a_number_has_the_city_of_its_area_code_or_its_country() {
        for (number, place) in [
            ("+16175550155", "Boston, MA"),
            ("+12125550142", "New York, NY"),
            ("+13125550110", "Chicago, IL"),
            ("+17165550110", "Buffalo, NY"),
            ("+14165550142", "Toronto, ON"),
            ("+15875550142", "Alberta"),
            ("+18005550142", "toll-free"),
            ("+448081570001", "toll-free, GB"),
            ("+442079460123", "GB"),
            ("+59059012345", "BL/GP/MF"),
            ("+13405550100", "VI"),
        ] {
            assert_eq!(shown(number).as_deref(), Some(place), "{number}");
        }
        for none in ["617", "+999123456789", "", "+1617555015x", "+1"] {
            assert_eq!(NumberLocation::of(none), None, "{none}");
        }
    }

    #[test]
    fn a_place_is_found_by_what_people_write() {
        for (number, fitting, other) in [
            (
                "+16175550155",
                &["Boston", "boston, ma", "Boston MA", "Massachusetts", "MA", "the Boston number", "US"][..],
                "Austin",
            ),
            ("+12125550142", &["NYC", "New York City", "new york", "NY", "New York, New York"], "York"),
            ("+13145550142", &["St. Louis", "Saint Louis", "st louis, mo"], "Louis"),
            ("+15145550142", &["Montréal", "Quebec", "Canada", "QC"], "CA"),
            ("+14155550142", &["CA", "California", "San Francisco"], "Canada"),
            ("+442079460123", &["GB", "uk", "United Kingdom"], "US"),
            ("+18005550142", &["toll-free", "toll free", "Toll_Free"], "US"),
            ("+18165550142", &["Kansas City", "Missouri"], "Kansas"),
        ] {
            let place = NumberLocation::of(number).expect(number);
            for wanted in fitting {
                assert!(place.fits(wanted), "{number} {wanted}");
            }
            for wanted in [other, "", ",", "Boston, TX"] {
                assert!(!place.fits(wanted), "{number} {wanted}");
            }
        }
    }

    #[test]
    fn every_area_code_is_once_in_the_table_and_in_the_country_of_its_region() {
        let mut seen = BTreeSet::new();
        for (region, city, codes) in AREA_CODES {
            assert!(REGIONS.iter().any(|(code, _, _)| *code == region), "{region}");
            for code in codes.split(' ') {
                assert!(code.len() == 3 && seen.insert(code), "{code} {city}");
                let number = E164::try_from(format!("+1{code}5550100").as_str()).expect(code);
                assert_eq!(number.countries(), [region_named(region).1], "{code} {city}");
            }
        }
        assert!(seen.len() > 400, "{}", seen.len());
        assert!(REGIONS.windows(2).all(|two| two[0].2 != two[1].2 || two[0].0 < two[1].0), "sorted");
    }

    #[test]
    fn a_misspelt_city_has_a_nearest_one() {
        for (wrong, city) in
            [("Bostn", Some("Boston")), ("San Fransisco", Some("San Francisco")), ("Boston", None), ("xyzzy", None)]
        {
            assert_eq!(NumberLocation::nearest_city(wrong), city, "{wrong}");
        }
        assert!(NumberLocation::is_named("the New York number") && NumberLocation::is_named("Boston, MA"));
        assert!(!NumberLocation::is_named("Front desk") && !NumberLocation::is_named(""));
        let boston = NumberLocation::of("+16175550155").expect("a place");
        assert!(boston.unlikeness("bostn") < boston.unlikeness("denver"));
        assert_eq!(boston.unlikeness("Boston"), 0);
    }
}
