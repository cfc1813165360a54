//! Finds the caller's own carrier account, by the name of a carrier profile or by a key in the call.
//!
//! With a profile, no key passes through the model.

use std::sync::Arc;

use crate::domain::{
    AccessField, Argument, ArgumentProblem, CarrierAccess, CarrierName, CarrierProfile, ProviderType, Refusal, Status,
    did_you_mean,
};
use crate::redact::Secret;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolFailure;

/// Returns the profile of this name. If there is none, the refusal lists the names that exist.
pub(crate) fn profile<'a>(context: &'a ToolContext, name: &CarrierName) -> Result<&'a CarrierProfile, Refusal> {
    context.carriers.get(name).ok_or_else(|| {
        let names: Vec<&str> = context.carriers.all().iter().map(|profile| profile.name().as_str()).collect();
        let problem = ArgumentProblem {
            reason: "there is no profile of this name".to_owned(),
            expected: known(&names),
            example: names.first().map_or(CarrierName::EXAMPLE, |name| name).to_owned(),
            did_you_mean: did_you_mean(name.as_str(), names.iter().copied()).map(str::to_owned),
            ..ArgumentProblem::of::<CarrierName>("carrier", String::new(), None)
        };
        let summary = format!("Nothing was done. carrier: there is no carrier profile of this name; expected {}. list_credentials shows them.", problem.expected);
        Refusal::new(Status::InvalidArgument, summary).with("problems", vec![problem.to_json()])
    })
}

/// Describes the existing profiles, for a message about a wrong name.
pub(crate) fn known(names: &[&str]) -> String {
    if names.is_empty() {
        "a profile, and there is none yet: the operator adds one with `truedy-mcp carriers add`".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    }
}

/// Reads and returns what the profile of this name holds.
pub(crate) async fn open(context: &ToolContext, name: &CarrierName) -> Result<CarrierAccess, ToolFailure> {
    let profile = profile(context, name)?.clone();
    let carriers = Arc::clone(&context.carriers);
    let reading = tokio::task::spawn_blocking(move || carriers.open(&profile));
    let why = tokio::select! {
        read = reading => match read {
            Ok(Ok(access)) => return Ok(access),
            Ok(Err(why)) => why,
            Err(_) => "reading it failed".to_owned(),
        },
        // The file may lie on a disk that does not respond.
        () = tokio::time::sleep_until(context.call.deadline) => "reading it takes too long".to_owned(),
        () = context.call.stop.cancelled() => {
            return Err(Refusal::new(Status::Cancelled, "Nothing was done. The call was cancelled.").into());
        }
    };
    let summary = format!(
        "Nothing was done. The carrier profile {name} cannot be used: {why}. The operator of this server can mend it; `truedy-mcp carriers test {name}` shows what is wrong."
    );
    Err(Refusal::new(Status::CarrierUnavailable, summary).with("carrier", name.as_str()).into())
}

/// Returns the caller's own Telnyx key, if the call contains one or names a profile with one.
pub(crate) async fn telnyx_key(
    context: &ToolContext,
    key: Option<&Secret>,
    name: Option<&CarrierName>,
) -> Result<Option<Secret>, ToolFailure> {
    let Some(name) = name else { return Ok(key.cloned()) };
    let provider = profile(context, name)?.provider();
    if provider != ProviderType::Telnyx {
        let problem = ArgumentProblem {
            reason: format!("it is a profile of {provider}"),
            expected: "a profile of telnyx: numbers are searched and bought there".to_owned(),
            ..ArgumentProblem::of::<CarrierName>("carrier", String::new(), None)
        };
        let summary = format!("Nothing was done. carrier: {}; expected {}.", problem.reason, problem.expected);
        let refusal = Refusal::new(Status::InvalidArgument, summary);
        return Err(refusal.with("problems", vec![problem.to_json()]).into());
    }
    Ok(open(context, name).await?.get(AccessField::ApiKey).cloned())
}

/// Returns what is wrong with a caller's own Telnyx key. It is also a problem if the call names a profile as well.
pub(crate) fn wrong_key(name: Option<&CarrierName>, key: Option<&Secret>) -> Vec<ArgumentProblem> {
    let Some(key) = key else { return Vec::new() };
    let mut problems = beside(name, &[AccessField::ApiKey]);
    problems.extend(AccessField::ApiKey.check(key.expose()).err());
    problems
}

/// Returns a problem for each of these values that was given in addition to a profile.
pub(crate) fn beside(name: Option<&CarrierName>, given: &[AccessField]) -> Vec<ArgumentProblem> {
    let Some(name) = name else { return Vec::new() };
    let problem = |field: &AccessField| ArgumentProblem {
        field: field.name().to_owned(),
        // Whether this profile exists is not known here.
        reason: "carrier is given as well".to_owned(),
        for_people: None,
        received: None,
        expected: format!("either carrier or {}", field.name()),
        example: format!("carrier: \"{name}\" alone"),
        did_you_mean: None,
    };
    given.iter().map(problem).collect()
}
