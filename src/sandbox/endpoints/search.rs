//! `POST /telephony/numbers/search`: returns offers. No offer is a reservation.

use serde_json::{Value, json};

use crate::sandbox::data::inventory::{self, Offer, OfferFilter};
use crate::sandbox::endpoints::call::EndpointCall;
use crate::sandbox::faults::catalogue::{Amount, Fault};
use crate::sandbox::response::{ApiRefusal, OperationResult};

pub(super) fn search(call: &EndpointCall<'_>) -> Result<OperationResult, ApiRefusal> {
    let faults = call.faults;
    let mut body = call.json()?;
    let country = body.text_or("country_code", "US");
    if body.fits("country_code") && (country.len() != 2 || !country.bytes().all(|letter| letter.is_ascii_uppercase())) {
        body.complain("country_code", "string_pattern_mismatch", "Must be an ISO 3166-1 alpha-2 code");
    }
    let kind = body.text("phone_number_type");
    if kind.as_deref() == Some("toll-free") && faults.has(Fault::SearchRejectHyphen) {
        let known = "Input should be 'local', 'toll_free', 'mobile' or 'national'";
        body.complain("phone_number_type", "enum", known);
    }
    let wanted = OfferFilter {
        country,
        kind: kind.map(|kind| kind.replace('-', "_")),
        area_code: body.text("area_code"),
        region: body.text("administrative_area"),
        locality: body.text("locality"),
    };
    let key = body.text("api_key");
    let page = body.whole("page", 1, 1, u64::MAX);
    let largest = if faults.has(Fault::SearchPageSize50) { 50 } else { 100 };
    let page_size = body.whole("page_size", 20, 1, largest);
    body.check(false)?;
    carrier(call, "search numbers", key.as_deref())?;

    let skip = (page - 1).saturating_mul(page_size);
    let (offers, total) = inventory::search(&wanted, &call.account.gone()?, skip, page_size);
    if faults.has(Fault::SearchRace) {
        let nth = faults.amount(Amount::RaceNth).unwrap_or(1).saturating_sub(1);
        if let Some(offer) = usize::try_from(nth).ok().and_then(|nth| offers.get(nth)) {
            call.account.take_from_shelf(&offer.number, None)?;
        }
    }
    let raw = faults.has(Fault::SearchCarrierRaw);
    let data = offers.iter().map(|offer| if raw { as_the_carrier(offer) } else { as_documented(offer) }).collect();
    let pagination = json!({
        "page": page,
        "page_size": page_size,
        "total_results": total,
        "total_pages": total.div_ceil(page_size),
        "has_more": skip.saturating_add(page_size) < total,
    });
    Ok(OperationResult::page(data, pagination))
}

/// Refuses unless a carrier account can be used: either the configured one or the caller's.
pub(super) fn carrier(call: &EndpointCall<'_>, action: &str, key: Option<&str>) -> Result<(), ApiRefusal> {
    match key.filter(|key| !key.is_empty()) {
        // A Truedy key instead of a carrier's key is the most likely mistake. A key that begins with "bad" is one made
        // on purpose.
        Some(key) if key.starts_with("truedy_") || key.starts_with("bad") => {
            Err(ApiRefusal::rule(format!("Failed to {action}: Telnyx API error: 401 - Authentication failed")))
        }
        Some(_) => Ok(()),
        None if call.faults.has(Fault::ProviderNotConfigured) || !call.account.provider_configured()? => {
            Err(ApiRefusal::rule(format!("Failed to {action}: Telnyx API key is not configured")))
        }
        None => Ok(()),
    }
}

fn as_documented(offer: &Offer) -> Value {
    json!({
        "phone_number": offer.number,
        "range": null,
        "phone_number_type": offer.area.kind,
        "region_information": { "region_name": offer.area.region, "locality": offer.area.locality },
        "features": features(offer),
        "cost_information": cost(offer),
    })
}

fn as_the_carrier(offer: &Offer) -> Value {
    let mut regions = vec![json!({ "region_type": "country_code", "region_name": offer.area.country })];
    regions.extend(offer.area.region.map(|region| json!({ "region_type": "state", "region_name": region })));
    regions.extend(
        offer.area.locality.map(|city| json!({ "region_type": "rate_center", "region_name": city.to_uppercase() })),
    );
    let features: Vec<Value> = features(offer).iter().map(|feature| json!({ "name": feature })).collect();
    json!({
        "phone_number": offer.number,
        "range": null,
        "region_information": regions,
        "features": features,
        "cost_information": cost(offer),
    })
}

fn features(offer: &Offer) -> &'static [&'static str] {
    match (offer.area.country, offer.area.kind) {
        ("GB", "local" | "national" | "toll_free") => &["voice"],
        _ => &["voice", "sms"],
    }
}

/// Returns an invented price, which is marked as such. The real prices are not published.
///
/// Prices differ, so that comparing them means something. They are in the currency of the country.
fn cost(offer: &Offer) -> Value {
    let (monthly, setup, currency) = match (offer.area.country, offer.area.kind) {
        ("GB", "toll_free") => ("2.00000", "2.00000", "GBP"),
        ("GB", "mobile") => ("3.00000", "3.00000", "GBP"),
        ("GB", _) => ("0.90000", "0.00000", "GBP"),
        ("CA", _) => ("1.25000", "1.00000", "CAD"),
        (_, "toll_free") => ("2.00000", "2.00000", "USD"),
        _ if is_easy_to_remember(&offer.number) => ("2.50000", "5.00000", "USD"),
        _ if offer.area.area_code == Some("212") => ("1.50000", "1.00000", "USD"),
        _ => ("1.00000", "1.00000", "USD"),
    };
    json!({ "upfront_cost": setup, "monthly_cost": monthly, "currency": currency, "note": "sandbox price" })
}

/// Whether the last two digits of a number are the same and not 0.
fn is_easy_to_remember(number: &str) -> bool {
    let last = number.chars().next_back().filter(|digit| *digit != '0');
    last.is_some_and(|digit| number.ends_with(&[digit, digit].iter().collect::<String>()))
}
