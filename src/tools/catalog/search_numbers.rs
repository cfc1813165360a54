//! `POST /telephony/numbers/search`: numbers for sale. Reads only, reserves nothing.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Search Numbers); contract §6.2.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{
    AreaCode, ArgumentProblem, CarrierName, Ceiling, CountryCode, Effect, Label, Money, NumberLocation, NumberType,
    Page, PageSize, Status, clean, text_at,
};
use crate::guard::Scope;
use crate::redact::Secret;
use crate::tools::account::price_search::search;
use crate::tools::account::{carrier, pages};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::price::{Price, PriceAccount};
use crate::tools::contract::price_cache::prices_in;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};
use crate::truedy::Error;

arguments! {
    /// Search numbers for sale: find a phone number available in a country, city, state or area code, toll-free too, and what it costs (price, cost a month).
    /// Free, and reserves nothing. Buy it with purchase_number.
    SearchNumbers {
        /// ISO 3166-1, "GB"; default US.
        country_code: Option<CountryCode>,
        /// City, "San Francisco".
        locality: Option<Label>,
        /// US and Canada only, "415".
        area_code: Option<AreaCode>,
        /// State or province, "CA".
        administrative_area: Option<Label>,
        /// toll_free: 800 numbers.
        phone_number_type: Option<NumberType>,
        /// At most this a month, "1.50".
        max_monthly_cost: Option<Ceiling>,
        /// Own Telnyx account by its profile, "main".
        carrier: Option<CarrierName>,
        /// Secret; prefer carrier. Own Telnyx key.
        api_key: Option<Secret>,
        /// From 1.
        page: Option<Page>,
        /// Default 20.
        page_size: Option<PageSize>,
    }
}

/// A page of offers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Offers {
    offers: Vec<Map<String, Value>>,
    /// How many there are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// The next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page: Option<u64>,
    /// How many offers of this page are left out for the price limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOut>,
}

/// Offers that are not shown because of their price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
struct LeftOut {
    /// They cost more.
    dearer: usize,
    /// Their price is not known, or is in another currency than the limit.
    unknown: usize,
}

impl Tool for SearchNumbers {
    const NAME: &'static str = "search_numbers";
    const TITLE: &'static str = "Search numbers for sale";
    const SEARCH_HINT: &'static str = "find a number available in a city, state or area code; toll-free; price, cost";
    const EXAMPLE: Option<&'static str> = Some("area_code=415 --sandbox");
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = Offers;

    fn contradictions(&self) -> Vec<ArgumentProblem> {
        let mut problems: Vec<ArgumentProblem> =
            self.wrong_country().or_else(|| self.wrong_area()).into_iter().collect();
        problems.extend(carrier::wrong_key(self.carrier.as_ref(), self.api_key.as_ref()));
        problems
    }
}

impl SearchNumbers {
    /// A country code of the right form that no country has.
    fn wrong_country(&self) -> Option<ArgumentProblem> {
        let code = self.country_code.as_ref().filter(|code| !code.has_numbers())?;
        let reason = format!("no country has the code {code}");
        Some(ArgumentProblem::of::<CountryCode>("country_code", reason, Some(&json!(code))))
    }

    /// An area code where Truedy takes none, or one of another country than the search is for.
    fn wrong_area(&self) -> Option<ArgumentProblem> {
        let area = self.area_code.as_ref()?;
        let country = self.country_code.clone().unwrap_or_default();
        let problem = |reason: String, expected: String, example: String| ArgumentProblem {
            reason,
            expected,
            example,
            ..ArgumentProblem::of::<AreaCode>("area_code", String::new(), Some(&json!(area)))
        };
        let only = "area codes are for US and CA only";
        if !matches!(country.as_str(), "US" | "CA") {
            let expected = format!("no area_code; in {country} locality or administrative_area narrows the search");
            return Some(problem(only.to_owned(), expected, "locality: \"London\"".to_owned()));
        }
        if let Some(why) = area.impossible() {
            let expected = "three digits, the first from 2 to 9, without the country code".to_owned();
            return Some(problem(why, expected, "415".to_owned()));
        }
        // A code that no list knows may be newer than the list.
        let owner = area.country().filter(|owner| *owner != country.as_str())?;
        let of = format!("{area} is an area code of {owner}, and the search is for {country}");
        Some(if owner == "CA" {
            problem(of, "country_code CA beside it".to_owned(), "country_code: \"CA\"".to_owned())
        } else {
            problem(
                format!("{of}; {only}"),
                format!("no area_code, and country_code {owner}"),
                format!("country_code: \"{owner}\""),
            )
        })
    }

    /// How to search wider than this.
    fn wider(&self) -> String {
        let given = [
            ("locality", self.locality.is_some()),
            ("area_code", self.area_code.is_some()),
            ("administrative_area", self.administrative_area.is_some()),
            ("phone_number_type", self.phone_number_type.is_some()),
        ];
        let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if given.is_empty() {
            return "Perhaps none are sold in this country; try another.".to_owned();
        }
        let meant = self.locality.as_ref().and_then(|city| NumberLocation::nearest_city(city.as_str()));
        let meant = meant.map(|city| format!(" The nearest city by name is {city}.")).unwrap_or_default();
        format!("Leave out or change {}.{meant}", given.join(" or "))
    }

    /// Removes the offers that cost more than the caller wants to pay, or whose price cannot be compared with that.
    fn affordable(&self, offers: &mut Vec<(Price, Map<String, Value>)>) -> Option<Affordable> {
        let ceiling = self.max_monthly_cost.as_ref()?;
        let (mut left_out, mut cheapest) = (LeftOut::default(), None);
        offers.retain(|(price, _)| {
            let monthly = price.monthly_money();
            let most = monthly.as_ref().and_then(|monthly| ceiling.monthly(monthly.currency()));
            match monthly.zip(most) {
                Some((monthly, most)) if monthly.currency() == most.currency() => {
                    let fits = monthly.micros() <= most.micros();
                    if !fits {
                        left_out.dearer += 1;
                        cheapest = cheapest
                            .take()
                            .filter(|least: &Money| least.micros() <= monthly.micros())
                            .or(Some(monthly));
                    }
                    fits
                }
                _ => {
                    left_out.unknown += 1;
                    false
                }
            }
        });
        Some(Affordable { left_out, cheapest: cheapest.filter(|_| offers.is_empty()) })
    }

    fn body(&self, page_size: u32) -> Value {
        let mut body = json!({ "country_code": self.country_code.clone().unwrap_or_default(), "page": self.page.unwrap_or_default().get(), "page_size": page_size });
        if let Some(fields) = body.as_object_mut() {
            let mut add =
                |name: &str, value: Option<Value>| drop(value.map(|value| fields.insert(name.to_owned(), value)));
            add("locality", self.locality.as_ref().map(|v| json!(v)));
            add("area_code", self.area_code.as_ref().map(|v| json!(v)));
            add("administrative_area", self.administrative_area.as_ref().map(|v| json!(v)));
            add("phone_number_type", self.phone_number_type.map(|v| json!(v)));
        }
        body
    }
}

impl Read for SearchNumbers {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<Offers>, ToolFailure> {
        let wanted = self.page_size.unwrap_or_default().get();
        let key = carrier::telnyx_key(&context, self.api_key.as_ref(), self.carrier.as_ref()).await?;
        let mut narrowed = false;
        let account = PriceAccount::of(self.carrier.as_ref(), self.api_key.as_ref());
        let mut body = self.body(wanted);
        let reply = match search(&context, &body, key.as_ref()).await {
            // The reference allows 100 a page, a guide only 50 (contract §9 row 1).
            Err(Error::Refused(api_error))
                if wanted > 50
                    && (api_error.fields.iter().any(|(field, _)| field == "page_size")
                        || api_error.mentions(&["page_size"])) =>
            {
                narrowed = true;
                body = self.body(50);
                search(&context, &body, key.as_ref()).await?
            }
            other => other?,
        };
        let rows = pages::rows(&reply)?;
        let prices = prices_in(rows);
        context.prices.remember(&account, &prices, &Arc::new(body));
        prices.keys().for_each(|number| context.offered.note(number));
        let mut priced = offers(rows, &prices);
        let offered = priced.len();
        let affordable = self.affordable(&mut priced);
        let offers: Vec<Map<String, Value>> = priced.into_iter().map(|(_, offer)| offer).collect();
        let told = |field: &str| reply.pagination.as_ref().and_then(|pagination| pagination.get(field)).cloned();
        let total = told("total_results").as_ref().and_then(Value::as_u64);
        let page = u64::from(self.page.unwrap_or_default().get());
        let more = told("has_more").as_ref().and_then(Value::as_bool).unwrap_or(false);
        let next_page = more.then_some(page + 1);
        let mut summary = match (offers.len(), offered) {
            (_, 0) if page > 1 => "No more offers on this page.".to_owned(),
            (_, 0) => format!("No numbers are offered for this search. {}", self.wider()),
            (shown, _) => format!(
                "{shown}{} numbers offered. Nothing is reserved or bought.",
                total.map(|total| format!(" of {total}")).unwrap_or_default()
            ),
        };
        if let Some(affordable) = &affordable {
            summary.push_str(&affordable.in_words());
        }
        let left_out = affordable.map(|affordable| affordable.left_out);
        let mut answer = ToolResponse::new(Status::Ok, summary, Offers { offers, total, next_page, left_out })
            .request_id(reply.request_id.clone());
        if narrowed {
            answer.warn("Truedy allows 50 offers a page here; page numbers count pages of 50.");
        }
        Ok(answer)
    }
}

/// What became of the offers for which the caller set a limit.
struct Affordable {
    left_out: LeftOut,
    /// The lowest price above the limit, if no offer is within it.
    cheapest: Option<Money>,
}

impl Affordable {
    /// Says what was left out, beginning with a space. Empty if nothing was.
    fn in_words(&self) -> String {
        let LeftOut { dearer, unknown } = self.left_out;
        let mut parts = Vec::new();
        if dearer > 0 {
            parts.push(format!("{dearer} cost more"));
        }
        if unknown > 0 {
            parts.push(format!("{unknown} have no price that can be compared"));
        }
        if parts.is_empty() {
            return String::new();
        }
        let cheapest =
            self.cheapest.as_ref().map(|least| format!(" The cheapest costs {least} a month.")).unwrap_or_default();
        format!(" Left out for max_monthly_cost on this page: {}.{cheapest}", parts.join(", "))
    }
}

/// The offers of one answer, each at the price that counts for its number.
fn offers(rows: &[Value], prices: &HashMap<String, Price>) -> Vec<(Price, Map<String, Value>)> {
    let offered = |row| {
        let price = prices.get(&text_at(row, "phone_number")?)?;
        Some((price.clone(), offer(row, price)?))
    };
    rows.iter().filter_map(offered).collect()
}

/// One offer as it is shown. Both shapes of the contract are read.
fn offer(row: &Value, price: &Price) -> Option<Map<String, Value>> {
    let number = text_at(row, "phone_number")?;
    let mut shown = Map::new();
    let mut add =
        |name: &str, value: Option<String>| drop(value.map(|value| shown.insert(name.to_owned(), json!(value))));
    add("number", Some(number));
    add("type", text_at(row, "phone_number_type").map(|kind| kind.replace("toll-free", "toll_free")));
    let region = row.get("region_information").unwrap_or(&Value::Null);
    add(
        "region",
        region_of(region, &["state", "administrative_area", "country_code"]).or_else(|| text_at(region, "region_name")),
    );
    add("locality", text_at(region, "locality").or_else(|| region_of(region, &["locality", "city", "rate_center"])));
    for (name, value) in price.facts().fields() {
        add(name, Some(value));
    }
    let features: Vec<String> = row
        .get("features")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(12)
        .filter_map(|feature| feature.as_str().map(clean).or_else(|| text_at(feature, "name")))
        .collect();
    if !features.is_empty() {
        shown.insert("features".to_owned(), json!(features.join(" ")));
    }
    Some(shown)
}

/// The first of these kinds in the carrier's list of regions.
fn region_of(regions: &Value, kinds: &[&str]) -> Option<String> {
    let regions = regions.as_array()?;
    kinds.iter().find_map(|kind| {
        let region = regions.iter().find(|region| region.get("region_type").and_then(Value::as_str) == Some(kind))?;
        text_at(region, "region_name")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Argument;

    #[test]
    fn toll_free_is_accepted_in_both_spellings_and_sent_in_one() {
        let kind = NumberType::parse(&json!("toll-free")).expect("accepted");
        assert_eq!(json!(kind), json!("toll_free"));
    }

    #[test]
    fn both_shapes_of_regions_are_read() {
        let carrier = json!([{"region_type": "country_code", "region_name": "US"}, {"region_type": "state", "region_name": "IL"}]);
        assert_eq!(region_of(&carrier, &["state"]).as_deref(), Some("IL"));
        assert_eq!(region_of(&json!({"region_name": "CA"}), &["state"]), None);
    }
}
