//! The numbers that the carrier sells. They are generated from the areas, without those that are gone.

use std::collections::{BTreeSet, HashSet};

use crate::sandbox::data::areas::{AREAS, Area};

/// Faults that depend on the last digits of a bought number. So a fault can be tried in a conversation, without
/// switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    /// The number can never be bought, as if another organization always has it.
    Taken,
    /// The number is bought, but the response is a server error.
    BoughtThenError,
    /// The number is bought, but there is no response.
    BoughtThenSilence,
}

impl Magic {
    /// Returns the magic fault of a number, if it has one.
    pub(crate) fn of(number: &str) -> Option<Magic> {
        match number.get(number.len().checked_sub(4)?..)? {
            "0199" => Some(Magic::Taken),
            "0198" => Some(Magic::BoughtThenError),
            "0197" => Some(Magic::BoughtThenSilence),
            _ => None,
        }
    }
}

/// The criteria of a search. All given criteria must match.
#[derive(Debug, Default)]
pub(crate) struct OfferFilter {
    pub(crate) country: String,
    pub(crate) kind: Option<String>,
    pub(crate) area_code: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) locality: Option<String>,
}

impl OfferFilter {
    fn fits(&self, area: &Area) -> bool {
        let same = |wanted: &Option<String>, has: Option<&str>| match wanted {
            Some(wanted) => has.is_some_and(|has| has.to_lowercase() == wanted.trim().to_lowercase()),
            None => true,
        };
        area.country == self.country
            && same(&self.kind, Some(area.kind))
            && same(&self.area_code, area.area_code)
            && same(&self.region, area.region)
            && same(&self.locality, area.locality)
    }
}

/// One number on offer.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) number: String,
    pub(crate) area: &'static Area,
}

impl Area {
    /// Returns the numbers of the area. Those with a magic fault come last, so that normal use does not meet them
    /// first.
    fn numbers(&'static self) -> impl Iterator<Item = String> {
        let ordered = move |magic: bool| {
            (self.first..self.first.saturating_add(self.count))
                .map(move |line| format!("{}{line:0width$}", self.prefix, width = self.digits))
                .filter(move |number| Magic::of(number).is_some() == magic)
        };
        ordered(false).chain(ordered(true))
    }

    fn has(&self, number: &str) -> bool {
        let Some(line) = number.strip_prefix(self.prefix) else {
            return false;
        };
        line.len() == self.digits
            && line.bytes().all(|byte| byte.is_ascii_digit())
            && line.parse().is_ok_and(|line: u32| line.checked_sub(self.first).is_some_and(|nth| nth < self.count))
    }
}

/// Returns the area in which a number is sold. `None` if the carrier never had it.
pub(crate) fn area_of(number: &str) -> Option<&'static Area> {
    AREAS.iter().find(|area| area.has(number))
}

/// Returns at most `take` offers, beginning at position `skip`, and the number of all offers.
///
/// The order depends only on the areas. So pages do not shift unless a number is sold in between.
pub(crate) fn search(wanted: &OfferFilter, gone: &HashSet<String>, skip: u64, take: u64) -> (Vec<Offer>, u64) {
    let mut offers = Vec::new();
    let mut total = 0_u64;
    let last = skip.saturating_add(take);
    for area in AREAS.iter().filter(|area| wanted.fits(area)) {
        let gone_here: BTreeSet<&str> = gone.iter().map(String::as_str).filter(|number| area.has(number)).collect();
        let before = total;
        total += u64::from(area.count) - gone_here.len() as u64;
        if total <= skip || before >= last {
            continue;
        }
        let free = area.numbers().filter(|number| !gone_here.contains(number.as_str()));
        let skip_here = skip.saturating_sub(before);
        let take_here = last - before.max(skip);
        let skip_here = usize::try_from(skip_here).unwrap_or(usize::MAX);
        let take_here = usize::try_from(take_here).unwrap_or(usize::MAX);
        offers.extend(free.skip(skip_here).take(take_here).map(|number| Offer { number, area }));
    }
    (offers, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(country: &str) -> OfferFilter {
        OfferFilter { country: country.to_owned(), ..OfferFilter::default() }
    }

    fn numbers(wanted: &OfferFilter, gone: &[&str], skip: u64, take: u64) -> (Vec<String>, u64) {
        let gone = gone.iter().map(|number| (*number).to_owned()).collect();
        let (offers, total) = search(wanted, &gone, skip, take);
        (offers.into_iter().map(|offer| offer.number).collect(), total)
    }

    #[test]
    fn every_number_is_in_a_range_for_fiction() {
        for area in AREAS {
            assert_eq!(area.numbers().count(), area.count as usize, "{}", area.prefix);
            for number in area.numbers() {
                assert_eq!(area_of(&number).unwrap().prefix, area.prefix, "{number}");
                match area.country {
                    "GB" => assert!(number.len() == 13, "{number}"),
                    _ => {
                        assert!(number.len() == 12 && number[5..].starts_with("55501"), "{number}");
                        assert_eq!(area.area_code, Some(&number[2..5]));
                    }
                }
            }
        }
        assert!(AREAS.iter().filter(|area| area.area_code.is_some()).count() >= 25);
    }

    #[test]
    fn filters_hold_together_and_ignore_case() {
        let chicago =
            OfferFilter { locality: Some(" chicago".to_owned()), region: Some("il".to_owned()), ..wanted("US") };
        assert_eq!(numbers(&chicago, &[], 0, 1).1, 200);
        let one_code = OfferFilter { area_code: Some("773".to_owned()), ..chicago };
        assert_eq!(numbers(&one_code, &[], 0, 1), (vec!["+17735550100".to_owned()], 100));
        let nowhere = OfferFilter { region: Some("CA".to_owned()), ..one_code };
        assert_eq!(numbers(&nowhere, &[], 0, 1).1, 0);
        assert_eq!(numbers(&wanted("IN"), &[], 0, 10).1, 0);
        let toll_free =
            OfferFilter { kind: Some("toll_free".to_owned()), area_code: Some("415".to_owned()), ..wanted("US") };
        assert_eq!(numbers(&toll_free, &[], 0, 10).1, 0);
    }

    #[test]
    fn magic_numbers_come_last_in_their_area() {
        let san_francisco = OfferFilter { area_code: Some("415".to_owned()), ..wanted("US") };
        let (all, total) = numbers(&san_francisco, &[], 0, 100);
        assert_eq!(total, 100);
        assert_eq!(all[0], "+14155550100");
        assert_eq!(all[97..], ["+14155550197", "+14155550198", "+14155550199"]);
        let london = OfferFilter { locality: Some("London".to_owned()), ..wanted("GB") };
        let (last, _) = numbers(&london, &[], 997, 10);
        assert_eq!(last, ["+442079460197", "+442079460198", "+442079460199"]);
    }

    #[test]
    fn pages_join_without_gap_or_repeat_whatever_is_gone() {
        let gone = ["+14155550100", "+14155550150", "+12125550199", "+442079460000", "+15005550006"];
        let (whole, total) = numbers(&wanted("US"), &gone, 0, u64::MAX);
        assert_eq!(whole.len() as u64, total);
        assert!(gone.iter().all(|gone| !whole.contains(&(*gone).to_owned())));
        let mut joined = Vec::new();
        let mut skip = 0;
        loop {
            let (page, same_total) = numbers(&wanted("US"), &gone, skip, 37);
            assert_eq!(same_total, total);
            if page.is_empty() {
                break;
            }
            joined.extend(page);
            skip += 37;
        }
        assert_eq!(joined, whole);
        assert!(numbers(&wanted("US"), &gone, u64::MAX, u64::MAX).0.is_empty());
    }

    #[test]
    fn what_is_not_in_stock_has_no_area() {
        for number in ["+14155550200", "+1415555012", "+141555501234", "+1415555+123", "+442079461000", "", "é555"] {
            assert!(area_of(number).is_none(), "{number}");
            assert!(Magic::of("é1").is_none());
        }
    }
}
