//! The ranges of numbers that the sandbox sells. All are reserved for fiction, so none of them reaches a person.
//!
//! Source: NANP line numbers 555-0100 to 555-0199 in every area code and 800-555-0199 (ATIS-0300115); Ofcom, "Telephone
//! numbers for use in TV and radio drama programmes".

/// A range of numbers with the same country, type and place.
#[derive(Debug)]
pub(crate) struct Area {
    /// The country, as ISO 3166-1 alpha-2.
    pub(crate) country: &'static str,
    /// The type as the API writes it: `local`, `toll_free`, `mobile` or `national`.
    pub(crate) kind: &'static str,
    /// The start of each number in E.164, up to the digits that vary.
    pub(crate) prefix: &'static str,
    /// How many digits vary.
    pub(crate) digits: usize,
    /// The first value of the varying digits.
    pub(crate) first: u32,
    /// How many numbers the range has, including the first.
    pub(crate) count: u32,
    /// The area code. Only ranges of the United States and Canada have one.
    pub(crate) area_code: Option<&'static str>,
    /// State, province or nation. `None` if the range belongs to the whole country.
    pub(crate) region: Option<&'static str>,
    /// City. `None` if the range belongs to no city.
    pub(crate) locality: Option<&'static str>,
}

const fn north_america(
    country: &'static str,
    prefix: &'static str,
    area_code: &'static str,
    region: &'static str,
    locality: &'static str,
) -> Area {
    Area {
        country,
        kind: "local",
        prefix,
        digits: 4,
        first: 100,
        count: 100,
        area_code: Some(area_code),
        region: Some(region),
        locality: Some(locality),
    }
}

const fn britain(prefix: &'static str, first: u32, region: &'static str, locality: &'static str) -> Area {
    Area {
        country: "GB",
        kind: "local",
        prefix,
        digits: 4,
        first,
        count: 1000,
        area_code: None,
        region: Some(region),
        locality: Some(locality),
    }
}

const fn all_of_britain(kind: &'static str, prefix: &'static str, digits: usize, first: u32) -> Area {
    Area { country: "GB", kind, prefix, digits, first, count: 1000, area_code: None, region: None, locality: None }
}

/// All ranges, in the order in which a search shows them.
pub(crate) const AREAS: &[Area] = &[
    north_america("US", "+1415555", "415", "CA", "San Francisco"),
    north_america("US", "+1212555", "212", "NY", "New York"),
    north_america("US", "+1312555", "312", "IL", "Chicago"),
    north_america("US", "+1773555", "773", "IL", "Chicago"),
    north_america("US", "+1617555", "617", "MA", "Boston"),
    north_america("US", "+1512555", "512", "TX", "Austin"),
    north_america("US", "+1206555", "206", "WA", "Seattle"),
    north_america("US", "+1213555", "213", "CA", "Los Angeles"),
    north_america("US", "+1305555", "305", "FL", "Miami"),
    north_america("US", "+1303555", "303", "CO", "Denver"),
    north_america("US", "+1404555", "404", "GA", "Atlanta"),
    north_america("US", "+1202555", "202", "DC", "Washington"),
    north_america("US", "+1215555", "215", "PA", "Philadelphia"),
    north_america("US", "+1214555", "214", "TX", "Dallas"),
    north_america("US", "+1713555", "713", "TX", "Houston"),
    north_america("US", "+1602555", "602", "AZ", "Phoenix"),
    north_america("US", "+1619555", "619", "CA", "San Diego"),
    north_america("US", "+1408555", "408", "CA", "San Jose"),
    north_america("US", "+1503555", "503", "OR", "Portland"),
    north_america("US", "+1702555", "702", "NV", "Las Vegas"),
    north_america("US", "+1612555", "612", "MN", "Minneapolis"),
    north_america("US", "+1313555", "313", "MI", "Detroit"),
    north_america("US", "+1615555", "615", "TN", "Nashville"),
    north_america("US", "+1504555", "504", "LA", "New Orleans"),
    north_america("US", "+1718555", "718", "NY", "Brooklyn"),
    Area {
        country: "US",
        kind: "toll_free",
        prefix: "+1800555",
        digits: 4,
        first: 100,
        count: 100,
        area_code: Some("800"),
        region: None,
        locality: None,
    },
    north_america("CA", "+1416555", "416", "ON", "Toronto"),
    north_america("CA", "+1604555", "604", "BC", "Vancouver"),
    north_america("CA", "+1514555", "514", "QC", "Montreal"),
    north_america("CA", "+1403555", "403", "AB", "Calgary"),
    north_america("CA", "+1613555", "613", "ON", "Ottawa"),
    britain("+44207946", 0, "England", "London"),
    britain("+44161496", 0, "England", "Manchester"),
    britain("+44121496", 0, "England", "Birmingham"),
    britain("+44117496", 0, "England", "Bristol"),
    britain("+44113496", 0, "England", "Leeds"),
    britain("+44151496", 0, "England", "Liverpool"),
    britain("+44131496", 0, "Scotland", "Edinburgh"),
    britain("+44141496", 0, "Scotland", "Glasgow"),
    britain("+44292018", 0, "Wales", "Cardiff"),
    britain("+44289649", 6000, "Northern Ireland", "Belfast"),
    all_of_britain("mobile", "+447700", 6, 900_000),
    all_of_britain("toll_free", "+44808157", 4, 0),
    all_of_britain("national", "+443069", 6, 990_000),
];
