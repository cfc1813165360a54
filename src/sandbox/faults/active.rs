//! The faults of the sandbox: a set of faults, parsed from `name=value`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::sandbox::faults::catalogue::{ALL, Amount, CATALOGUE, Fault, FaultSwitch, Moment, OTHER_SPELLINGS, Takes};
use crate::sandbox::routes::ApiOperation;

/// The faults that are switched on. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    on: BTreeSet<Fault>,
    amounts: BTreeMap<Amount, u64>,
    moments: BTreeSet<(Moment, ApiOperation)>,
}

impl Faults {
    /// Parses items such as `purchase=timeout_after_commit`.
    ///
    /// Several values of one name are combined, whether the item is repeated or the values are separated by commas. The
    /// value may be left out for a switch that takes true or false, or names of operations. The name may be left out
    /// for a value that only one switch has.
    pub fn parse<I, S>(items: I) -> Result<Faults, FaultError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let mut faults = Faults::default();
        for item in items {
            let item = item.as_ref().trim();
            match item.split_once('=') {
                Some((name, values)) => {
                    for value in values.split(',') {
                        faults.set(name.trim(), value.trim())?;
                    }
                }
                None => faults.set_bare(item)?,
            }
        }
        Ok(faults)
    }

    /// Returns all switches, for help texts and documentation.
    #[must_use]
    pub fn catalogue() -> &'static [FaultSwitch] {
        CATALOGUE
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.on.contains(&fault)
    }

    pub(crate) fn amount(&self, amount: Amount) -> Option<u64> {
        self.amounts.get(&amount).copied()
    }

    pub(crate) fn strikes(&self, moment: Moment, operation: ApiOperation) -> bool {
        self.moments.contains(&(moment, operation))
    }

    /// Parses a JSON object that maps each name to a value or to a list of values.
    pub(crate) fn from_json(asked: &Map<String, Value>) -> Result<Faults, FaultError> {
        let mut faults = Faults::default();
        for (name, values) in asked {
            match values {
                Value::Array(values) => {
                    for value in values {
                        faults.set(name, &text_of(value))?;
                    }
                }
                value => faults.set(name, &text_of(value))?,
            }
        }
        Ok(faults)
    }

    /// Returns the present set as a JSON object that maps each name to a list of values.
    pub(crate) fn to_json(&self) -> Value {
        let mut present = Map::new();
        for switch in CATALOGUE {
            let values: Vec<Value> = match switch.takes {
                Takes::Choice(choices) => choices
                    .iter()
                    .filter(|(_, fault)| fault.is_some_and(|fault| self.has(fault)))
                    .map(|(value, _)| json!(value))
                    .collect(),
                Takes::Flag { when, fault } => {
                    if self.has(fault) {
                        vec![json!(when)]
                    } else {
                        Vec::new()
                    }
                }
                Takes::Number(amount) => self.amount(amount).map(|number| json!(number)).into_iter().collect(),
                Takes::Operations(moment) => ApiOperation::EVERY
                    .iter()
                    .filter(|operation| self.strikes(moment, **operation))
                    .map(|operation| json!(operation.name()))
                    .collect(),
            };
            if !values.is_empty() {
                present.insert(switch.name.to_owned(), Value::Array(values));
            }
        }
        Value::Object(present)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), FaultError> {
        let switch = CATALOGUE.iter().find(|switch| switch.name == name).ok_or_else(FaultError::name)?;
        let wrong = || FaultError::value(switch);
        match switch.takes {
            Takes::Choice(choices) => {
                let spelling = OTHER_SPELLINGS.iter().find(|(other, _)| *other == value);
                let listed = spelling.map_or(value, |(_, listed)| *listed);
                let (_, fault) = choices.iter().find(|(known, _)| *known == listed).ok_or_else(wrong)?;
                self.on.extend(fault);
            }
            Takes::Flag { when, fault } => {
                let given: bool = value.parse().map_err(|_| wrong())?;
                if given == when {
                    self.on.insert(fault);
                } else {
                    self.on.remove(&fault);
                }
            }
            Takes::Number(amount) => {
                let number: u64 = value.parse().map_err(|_| wrong())?;
                self.amounts.insert(amount, number);
            }
            Takes::Operations(moment) => {
                let mut found = false;
                for operation in ApiOperation::EVERY {
                    if value == ALL || value == operation.name() {
                        self.moments.insert((moment, *operation));
                        found = true;
                    }
                }
                if !found {
                    return Err(wrong());
                }
            }
        }
        Ok(())
    }

    fn set_bare(&mut self, item: &str) -> Result<(), FaultError> {
        match CATALOGUE.iter().find(|switch| switch.name == item) {
            Some(FaultSwitch { takes: Takes::Flag { .. }, .. }) => return self.set(item, "true"),
            Some(FaultSwitch { takes: Takes::Operations(_), .. }) => return self.set(item, ALL),
            Some(switch) => return Err(FaultError::value(switch)),
            None => {}
        }
        let listed = OTHER_SPELLINGS.iter().find(|(other, _)| *other == item).map_or(item, |(_, listed)| *listed);
        let owners: Vec<&FaultSwitch> = CATALOGUE
            .iter()
            .filter(|switch| match switch.takes {
                Takes::Choice(choices) => choices.iter().any(|(value, fault)| *value == listed && fault.is_some()),
                _ => false,
            })
            .collect();
        match owners.as_slice() {
            [only] => self.set(only.name, listed),
            [] => Err(FaultError::name()),
            several => Err(FaultError::unclear(item, several)),
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A fault that was requested but does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct FaultError {
    what: String,
}

impl FaultError {
    fn name() -> FaultError {
        let names: Vec<&str> = CATALOGUE.iter().map(|switch| switch.name).collect();
        FaultError {
            what: format!("one of them is no fault; a fault is name=value, and the names are: {}", names.join(", ")),
        }
    }

    fn unclear(value: &str, owners: &[&FaultSwitch]) -> FaultError {
        let names: Vec<String> = owners.iter().map(|switch| format!("{}={value}", switch.name)).collect();
        FaultError { what: format!("a value alone is not clear; it may be {}", names.join(" or ")) }
    }

    fn value(switch: &FaultSwitch) -> FaultError {
        let takes = match switch.takes {
            Takes::Number(_) => "a whole number".to_owned(),
            _ => format!("one of: {}", switch.values().join(", ")),
        };
        FaultError { what: format!("the fault {} cannot have this value; it takes {takes}", switch.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(items: &[&str]) -> Faults {
        Faults::parse(items).unwrap()
    }

    #[test]
    fn names_and_values_of_the_documentation_are_understood() {
        let faults = parse(&[
            "purchase=timeout_after_commit",
            "pending=stuck",
            "errors=E",
            "latency_ms=300",
            "provider_configured=false",
            "ids=prefixed",
            "auth=402_trial_expired",
            "limits=429_with_headers",
            "drop_connection=purchase",
            "extra_unknown_fields",
        ]);
        assert!(faults.has(Fault::PurchaseTimeoutAfterCommit));
        assert!(faults.has(Fault::ProviderNotConfigured));
        assert!(faults.has(Fault::ExtraUnknownFields));
        assert_eq!(faults.amount(Amount::LatencyMs), Some(300));
        assert!(faults.strikes(Moment::Drop, ApiOperation::Purchase));
        assert!(!faults.strikes(Moment::Drop, ApiOperation::Search));
    }

    #[test]
    fn several_values_of_one_name_add_up() {
        let faults = parse(&["search=race", "search=carrier_raw_shapes", "errors=B,C"]);
        assert!(faults.has(Fault::SearchRace) && faults.has(Fault::SearchCarrierRaw));
        assert!(faults.has(Fault::ErrorsB) && faults.has(Fault::ErrorsC));
    }

    #[test]
    fn a_value_that_only_one_switch_has_may_stand_alone() {
        assert!(parse(&["omit_assignment_fields"]).has(Fault::ListOmitAssignmentFields));
        assert!(parse(&["import_needs_provider"]).has(Fault::ImportNeedsProvider));
        assert!(parse(&["carrier_raw"]).has(Fault::SearchCarrierRaw));
        assert!(parse(&["drop_connection"]).strikes(Moment::Drop, ApiOperation::Call));
        let unclear = Faults::parse(["ultravox_down"]).unwrap_err().to_string();
        assert!(unclear.contains("assign=ultravox_down or unassign=ultravox_down"), "{unclear}");
    }

    #[test]
    fn an_error_lists_what_is_valid() {
        let name = Faults::parse(["purchse=unavailable"]).unwrap_err().to_string();
        assert!(!name.contains("purchse") && name.contains("purchase, pending"), "{name}");
        let value = Faults::parse(["pending=forever"]).unwrap_err().to_string();
        assert!(value.contains("the fault pending") && value.contains("instant, delay, stuck, fails"), "{value}");
        let number = Faults::parse(["latency_ms=soon"]).unwrap_err().to_string();
        assert!(number.contains("a whole number"), "{number}");
        assert!(Faults::parse(["latency_ms"]).is_err());
        assert!(Faults::parse([""]).is_err());
    }

    #[test]
    fn json_says_what_is_on_and_reads_back_the_same() {
        let faults =
            parse(&["purchase=unavailable", "errors=B,C", "rate_limit=5", "hang=list", "provider_configured=false"]);
        let shown = faults.to_json();
        assert_eq!(
            shown,
            json!({
                "provider_configured": [false], "purchase": ["unavailable"], "errors": ["B", "C"], "rate_limit": [5],
                "hang": ["list"]
            })
        );
        assert_eq!(Faults::from_json(shown.as_object().unwrap()).unwrap(), faults);
        assert_eq!(Faults::from_json(json!({"times": 2}).as_object().unwrap()).unwrap().amount(Amount::Times), Some(2));
    }

    #[test]
    fn every_value_listed_is_understood_and_every_name_is_unique() {
        for switch in Faults::catalogue() {
            for value in switch.values() {
                let value = if value == "N" { "7" } else { value };
                Faults::parse([format!("{}={value}", switch.name)]).unwrap();
            }
            assert!(switch.about.ends_with('.'), "{}", switch.name);
            assert_eq!(CATALOGUE.iter().filter(|other| other.name == switch.name).count(), 1);
        }
    }
}
