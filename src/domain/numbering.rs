//! Numbering plans: which numbers cannot exist, and how a number is shown to people.
//!
//! Source: Google's libphonenumber, by `rlibphonenumber`; NANPA for area and exchange codes.
//!
//! A number is only checked for being *possible*, never for being *valid*. Plans are older than the numbers that
//! carriers sell. The data is loaded for the first number, not when the program starts.

use std::sync::LazyLock;

use rlibphonenumber::{NumberLengthType, PhoneNumber, PhoneNumberFormat, PhoneNumberUtil};

use crate::domain::phone::E164;

/// The numbering plans. `None` if the data cannot be read. Then no number is refused.
static PLANS: LazyLock<Option<PhoneNumberUtil>> = LazyLock::new(|| PhoneNumberUtil::new().ok());

/// The prefixes of numbers, country code first, in which a 0 after the country code belongs to the number.
///
/// Everywhere else such a 0 is the trunk prefix, which is only dialled within the country.
///
/// Source: the general patterns of libphonenumber's metadata. If the trunk prefix is also 0, only the longer prefix is
/// listed.
const OWN_ZERO: [&str; 31] = [
    "2250", "2260", "2270", "2290", "2410", "2420", "2470", "25006", "2670", "2680", "35900", "3780", "390", "470",
    "5010", "5070", "59800", "6200", "6600", "6760", "6790", "6870", "8000", "8100", "8200", "8530", "8810", "8880",
    "9100", "9740", "9920",
];

impl E164 {
    /// Returns why such a number cannot exist, as one clause. `None` for a possible number.
    pub fn impossible(&self) -> Option<String> {
        let plans = PLANS.as_ref()?;
        let digits = self.digits();
        let Some((code, national)) = split(plans, digits) else {
            return Some(format!("no country code begins +{}", digits.get(..3).unwrap_or(digits)));
        };
        if code == "1" && national.len() == 10 {
            return out_of_plan(national);
        }
        if national.starts_with('0') && !OWN_ZERO.iter().any(|own| digits.starts_with(own)) {
            let without = national.trim_start_matches('0');
            return Some(format!(
                "after the country code +{code} no number begins with 0, which is only dialled within the country; without it the number is +{code}{without}"
            ));
        }
        let possible = |national: &str| is_possible(plans, code, national);
        if possible(national) {
            return None;
        }
        let lengths: Vec<String> =
            (1..=15).filter(|length| possible(&"2".repeat(*length))).map(|length| length.to_string()).collect();
        Some(format!(
            "it has {} digits after the country code +{code}, and numbers there have {}",
            national.len(),
            in_words(&lengths)
        ))
    }

    /// Returns the number in international notation, as people read it: `+1 415 555 0123`.
    ///
    /// It is E.164 if no plan groups the digits.
    pub fn for_people(&self) -> String {
        let plain = || self.as_str().to_owned();
        let Some(plans) = PLANS.as_ref().filter(|_| self.impossible().is_none()) else { return plain() };
        let shown = split(plans, self.digits())
            .and_then(|(code, national)| parsed(code, national))
            // Some plans group with other marks: +687 20.00.00.
            .map(|number| plans.format(&number, PhoneNumberFormat::International).replace(['-', '.', '/'], " "));
        // A person compares the digits, so the digits must stay the same in any grouping.
        let is_same = |shown: &String| shown.chars().filter(char::is_ascii_digit).eq(self.digits().chars());
        shown.filter(is_same).unwrap_or_else(plain)
    }
}

/// Returns the text with each E.164 number in international notation, for people.
pub fn numbers_for_people(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('+') {
        let (before, from) = rest.split_at(at);
        let length = 1 + from.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        let (number, behind) = from.split_at(length);
        shown.push_str(before);
        let stands_alone = !before.ends_with(char::is_alphanumeric) && !behind.starts_with(char::is_alphanumeric);
        match E164::try_from(number).ok().filter(|_| stands_alone && length > 7) {
            Some(number) => shown.push_str(&number.for_people()),
            None => shown.push_str(number),
        }
        rest = behind;
    }
    shown + rest
}

/// Splits digits into the country code and the rest. `None` if no country has such a code.
fn split<'a>(plans: &PhoneNumberUtil, digits: &'a str) -> Option<(&'a str, &'a str)> {
    (1..=3)
        .filter_map(|length| digits.split_at_checked(length))
        .find(|(code, _)| code.parse().is_ok_and(|code: i32| plans.get_region_for_country_code(code).is_some()))
}

/// Converts a number for `rlibphonenumber`. Zeros at the start belong to the number.
fn parsed(code: &str, national: &str) -> Option<PhoneNumber> {
    let zeros = national.bytes().take_while(|b| *b == b'0').count().min(national.len().saturating_sub(1));
    Some(PhoneNumber {
        country_code: code.parse().ok()?,
        national_number: national.parse().ok()?,
        italian_leading_zero: (zeros > 0).then_some(true),
        number_of_leading_zeros: i32::try_from(zeros).ok().filter(|zeros| *zeros > 1),
        ..PhoneNumber::default()
    })
}

fn is_possible(plans: &PhoneNumberUtil, code: &str, national: &str) -> bool {
    let reason = parsed(code, national).map(|number| plans.is_possible_number_with_reason(&number));
    // A number without its area code cannot be called from elsewhere, so it does not count as possible.
    matches!(reason, Some(Ok(NumberLengthType::IsPossible)))
}

/// Returns what is wrong with the ten digits of a number of the North American plan. `None` if nothing is wrong.
fn out_of_plan(national: &str) -> Option<String> {
    let begins = |at: usize| national.as_bytes().get(at).is_some_and(|digit| (b'2'..=b'9').contains(digit));
    let part = |from: usize| national.get(from..from + 3).unwrap_or_default();
    match (begins(0), begins(3)) {
        (true, true) => None,
        (false, _) => Some(format!("no area code after +1 begins with 0 or 1, and {} does", part(0))),
        (true, false) => {
            Some(format!("after +1 and the area code {} no exchange begins with 0 or 1, and {} does", part(0), part(3)))
        }
    }
}

/// Lists lengths as text: `8`, `8 or 9`, `8, 9 or 10`.
fn in_words(lengths: &[String]) -> String {
    match lengths {
        [] => "another length".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> E164 {
        E164::try_from(text).expect(text)
    }

    #[test]
    fn numbers_that_cannot_exist_are_told_with_the_reason() {
        for (text, why) in [
            ("+1415555016", "it has 9 digits after the country code +1, and numbers there have 10"),
            ("+141555501633", "it has 11 digits after the country code +1, and numbers there have 10"),
            ("+15550163", "it has 7 digits"),
            ("+911", "it has 1 digits after the country code +91"),
            ("+12", "it has 1 digits"),
            (
                "+4402079460958",
                "after the country code +44 no number begins with 0, which is only dialled within the country; without it the number is +442079460958",
            ),
            ("+4903012345678", "without it the number is +493012345678"),
            ("+330123456789", "without it the number is +33123456789"),
            ("+810312345678", "without it the number is +81312345678"),
            ("+10155550163", "no area code after +1 begins with 0 or 1, and 015 does"),
            ("+11155550163", "and 115 does"),
            ("+14150550163", "after +1 and the area code 415 no exchange begins with 0 or 1, and 055 does"),
            ("+14151550163", "and 155 does"),
            ("+4420794609", "it has 8 digits after the country code +44, and numbers there have 7, 9 or 10"),
            ("+999123456789", "no country code begins +999"),
        ] {
            let said = number(text).impossible();
            assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{text}: {said:?}");
        }
    }

    #[test]
    fn possible_numbers_pass_whether_or_not_they_are_in_use() {
        for text in [
            "+14155550123",
            "+14155550163",
            "+18005550123",
            "+15005550006",
            "+442079460958",
            "+441534612345",
            "+390612345678",
            "+39066982",
            "+3780549886377",
            "+2250102030405",
            "+24101234567",
            "+242061234567",
            "+2290195123456",
            "+493012345678",
            "+4930123456",
            "+33123456789",
            "+61212345678",
            "+80012345678",
            "+590590123456",
            "+17875550123",
            "+6585551234",
            "+525512345678",
            "+5511987654321",
        ] {
            assert_eq!(number(text).impossible(), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_shown_in_groups_and_with_their_own_digits() {
        for (text, shown) in [
            ("+14155550163", "+1 415 555 0163"),
            ("+18005550123", "+1 800 555 0123"),
            ("+442079460958", "+44 20 7946 0958"),
            ("+390612345678", "+39 06 1234 5678"),
            ("+33123456789", "+33 1 23 45 67 89"),
            ("+1415555016", "+1415555016"),
            ("+999123456789", "+999123456789"),
        ] {
            assert_eq!(number(text).for_people(), shown);
        }
        assert_eq!(
            numbers_for_people("Buy +14155550163 for 1.00 USD? Not x+14155550163, 1+1, +1415555016a or +."),
            "Buy +1 415 555 0163 for 1.00 USD? Not x+14155550163, 1+1, +1415555016a or +."
        );
    }

    #[test]
    fn what_the_plans_call_valid_is_possible() {
        use rlibphonenumber::PhoneNumberType;
        let plans = PLANS.as_ref().expect("the data");
        let judged = |code: &str, national: &str| {
            let Some(number) = parsed(code, national).filter(|number| plans.is_valid_number(number)) else { return 0 };
            let text = plans.format(&number, PhoneNumberFormat::E164).into_owned();
            assert_eq!(E164::try_from(text.as_str()).ok().and_then(|number| number.impossible()), None, "{text}");
            1
        };
        let (mut examples, mut zeros) = (0, 0);
        for region in plans.get_supported_regions() {
            for kind in [PhoneNumberType::FixedLine, PhoneNumberType::Mobile, PhoneNumberType::TollFree] {
                if let Ok(number) = plans.get_example_number_for_type_and_region(region, kind) {
                    let text = plans.format(&number, PhoneNumberFormat::E164).into_owned();
                    assert_eq!(self::number(&text).impossible(), None, "{text}");
                    examples += 1;
                }
            }
        }
        for code in plans.get_supported_calling_codes().map(|code| code.to_string()) {
            for (second, tail) in (0..10).flat_map(|second| (0..10).map(move |tail| (second, tail))) {
                for length in 3..=(15 - code.len()) {
                    let national = format!("0{second}{}", tail.to_string().repeat(length - 2));
                    if is_possible(plans, &code, &national) {
                        zeros += judged(&code, &national);
                    }
                }
            }
        }
        assert!(examples > 500 && zeros > 20, "{examples} {zeros}");
    }

    proptest! {
        #[test]
        fn any_number_is_judged_and_shown_without_a_fault(text in "\\+[1-9][0-9]{1,14}") {
            let number = number(&text);
            let shown = number.for_people();
            prop_assert_eq!(shown.chars().filter(|c| *c != ' ').collect::<String>(), text, "{}", shown);
            if let Some(why) = number.impossible() {
                prop_assert!(!why.is_empty() && !why.ends_with('.'));
            }
        }
    }
}
