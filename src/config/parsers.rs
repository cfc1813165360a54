//! Parsers for the values of settings. No error repeats the value.

use std::str::FromStr;

use serde_json::json;
use url::Url;

use crate::domain::{Argument, CountryCode, Money, NumberType};
use crate::guard::Cap;
use crate::truedy::{Proxy, Rate};

pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    match (text, text.parse::<u32>()) {
        ("off", _) => Ok(Rate::Off),
        (_, Ok(n)) if (1..=100_000).contains(&n) => Ok(Rate::PerMinute(n)),
        _ => Err("a whole number from 1, for example 100, or off".to_owned()),
    }
}

pub(crate) fn cap(text: &str) -> Result<Cap, String> {
    let text = text.trim();
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match (text, number) {
        ("unlimited", _) => Ok(Cap::Unlimited),
        (_, Some(most)) => Ok(Cap::Most(most)),
        _ => Err("a whole number from 0, for example 10, or unlimited".to_owned()),
    }
}

pub(crate) fn money(text: &str) -> Result<Money, String> {
    Money::parse(text)
        .ok_or_else(|| "an amount and the currency as three capital letters, for example \"50 USD\"".to_owned())
}

pub(crate) fn country(text: &str) -> Result<CountryCode, String> {
    CountryCode::try_from(text.trim()).ok().filter(CountryCode::has_numbers).ok_or_else(|| {
        "a country with numbers of its own, as two capital letters (the United Kingdom is GB), for example US,CA"
            .to_owned()
    })
}

pub(crate) fn number_type(text: &str) -> Result<NumberType, String> {
    NumberType::parse(&json!(text.trim())).map_err(|_| format!("{}, for example local,toll_free", NumberType::EXPECTED))
}

pub(crate) fn proxy(text: &str) -> Result<Proxy, String> {
    if text == "env" {
        return Ok(Proxy::Environment);
    }
    let url = Url::from_str(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(Proxy::Url)
        .ok_or_else(|| "the URL of a proxy, for example http://proxy.example.com:3128, or env".to_owned())
}
