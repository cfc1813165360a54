//! Admits requests: checks keys, the allow-list of addresses, the rate limit and the subscription.
//!
//! Source: <https://docs.truedy.ai/authentication>, <https://docs.truedy.ai/guides/rate-limits>,
//! <https://docs.truedy.ai/guides/error-handling>

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::sandbox::data::seed;
use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::{Amount, Fault};
use crate::sandbox::response::ApiRefusal;
use crate::sandbox::routes::ApiOperation;
use crate::sandbox::time;

/// Requests that an organization may make in a clock minute by default.
const PER_MINUTE: u64 = 100;

#[derive(Debug)]
struct KnownKey {
    organization: String,
    revoked: bool,
}

/// The known keys, and the requests of the present minute.
#[derive(Debug)]
pub(crate) struct KeyAuthenticator {
    keys: HashMap<String, KnownKey>,
    /// For each organization: the minute, counted since 1970, and the requests in it.
    minutes: Mutex<HashMap<String, (i64, u64)>>,
}

impl KeyAuthenticator {
    /// Reads the keys once. No key is created or revoked while a sandbox runs.
    pub(crate) fn load(database: &Connection) -> rusqlite::Result<KeyAuthenticator> {
        let mut statement = database.prepare("SELECT sha256, organization_id, revoked FROM api_keys")?;
        let keys = statement
            .query_map([], |row| Ok((row.get(0)?, KnownKey { organization: row.get(1)?, revoked: row.get(2)? })))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(KeyAuthenticator { keys, minutes: Mutex::default() })
    }

    /// Returns the organization of the request's key, even if the request is not allowed.
    pub(crate) fn organization(&self, headers: &HeaderMap) -> Option<&str> {
        Some(self.key(headers)?.organization.as_str())
    }

    /// Checks the key. A fault switch makes it refuse the address as well.
    pub(crate) fn authenticate(&self, faults: &Faults, headers: &HeaderMap) -> Result<&str, ApiRefusal> {
        let known = self.key(headers).filter(|key| !key.revoked && !faults.has(Fault::Auth401));
        let key = known.ok_or_else(|| ApiRefusal::new(401, "unauthorized", "Invalid or missing API key"))?;
        if faults.has(Fault::Auth403Ip) {
            return Err(ApiRefusal::new(403, "forbidden", "IP address not allowed"));
        }
        Ok(&key.organization)
    }

    /// Counts a request and refuses it over the limit. `strike` says whether a limit that was switched on applies to
    /// this request.
    pub(crate) fn admit(
        &self,
        faults: &Faults,
        organization: &str,
        now: Timestamp,
        strike: impl FnOnce() -> bool,
    ) -> Result<(), ApiRefusal> {
        let switched = [Fault::Limits429, Fault::Limits429WithHeaders, Fault::Limits500];
        let switched = switched.into_iter().any(|fault| faults.has(fault));
        let limit = faults.amount(Amount::RateLimit);
        if switched && limit.is_none() && strike() {
            return Err(over(faults, PER_MINUTE, now));
        }
        let limit = limit.unwrap_or(PER_MINUTE);
        let minute = now.as_second().div_euclid(60);
        let mut minutes = self.minutes.lock();
        let window = minutes.entry(organization.to_owned()).or_insert((minute, 0));
        if window.0 != minute {
            *window = (minute, 0);
        }
        window.1 += 1;
        if limit != 0 && window.1 > limit { Err(over(faults, limit, now)) } else { Ok(()) }
    }

    fn key(&self, headers: &HeaderMap) -> Option<&KnownKey> {
        self.keys.get(&seed::fingerprint(bearer(headers)?))
    }
}

/// Returns the key that a request contains, whether it is known or not.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

/// Checks that the subscription pays for an operation.
pub(crate) fn pay(faults: &Faults, operation: ApiOperation, state: &str) -> Result<(), ApiRefusal> {
    let gated = faults.has(Fault::PaymentGateAll) || matches!(operation, ApiOperation::Purchase | ApiOperation::Call);
    if !gated {
        return Ok(());
    }
    let switched = [
        (Fault::Auth402TrialNotStarted, "trial_not_started"),
        (Fault::Auth402TrialExpired, "trial_expired"),
        (Fault::Auth402Inactive, "inactive"),
        (Fault::Auth402NoCredits, "no_credits"),
    ];
    let state = switched.into_iter().find(|(fault, _)| faults.has(*fault)).map_or(state, |(_, state)| state);
    let message = match state {
        "trial_not_started" => "Trial not started",
        "trial_expired" => "Trial expired",
        "no_credits" => "Not enough credits",
        "inactive" => "Subscription inactive",
        _ => return Ok(()),
    };
    Err(ApiRefusal::new(402, "payment_required", message))
}

fn over(faults: &Faults, limit: u64, now: Timestamp) -> ApiRefusal {
    if faults.has(Fault::Limits500) {
        return ApiRefusal::internal();
    }
    let next_minute = (now.as_second().div_euclid(60) + 1) * 60;
    let reset_at = Timestamp::from_second(next_minute).unwrap_or(now);
    let mut details = json!({ "limit": limit });
    if let (Some(reset_at), Value::Object(details)) = (written(faults, reset_at), &mut details) {
        details.insert("reset_at".to_owned(), reset_at);
    }
    let refusal = ApiRefusal::new(429, "rate_limit_exceeded", "Rate limit exceeded").with_details(details);
    if !faults.has(Fault::Limits429WithHeaders) {
        return refusal;
    }
    refusal
        .with_header("retry-after", (next_minute - now.as_second()).to_string())
        .with_header("x-ratelimit-limit", limit.to_string())
        .with_header("x-ratelimit-remaining", "0".to_owned())
        .with_header("x-ratelimit-reset", next_minute.to_string())
}

fn written(faults: &Faults, reset_at: Timestamp) -> Option<Value> {
    let zulu = time::kept(reset_at);
    let later = |seconds| time::after(Duration::from_secs(seconds));
    let forms: [(Fault, Option<Value>); 7] = [
        (Fault::ResetAtNaive, Some(json!(time::naive(&zulu)))),
        (Fault::ResetAtOffset, Some(json!(time::with_offset(&zulu)))),
        (Fault::ResetAtEpoch, Some(json!(reset_at.as_second()))),
        (Fault::ResetAtIn60s, Some(json!(time::naive(&later(60))))),
        (Fault::ResetAtFar, Some(json!(later(3600)))),
        (Fault::ResetAtGarbage, Some(json!("in a while"))),
        (Fault::ResetAtAbsent, None),
    ];
    let chosen = forms.into_iter().find(|(fault, _)| faults.has(*fault));
    chosen.map_or_else(|| Some(json!(zulu)), |(_, form)| form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::data::store;
    use crate::sandbox::keys::{KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SECOND_KEY};

    fn door() -> KeyAuthenticator {
        KeyAuthenticator::load(&store::in_memory().unwrap()).unwrap()
    }

    fn with(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())])
    }

    fn at(moment: &str) -> Timestamp {
        moment.parse().unwrap()
    }

    #[test]
    fn only_known_keys_that_are_not_revoked_enter() {
        let door = door();
        let enter = |authorization: String| door.authenticate(&Faults::default(), &with(&authorization)).is_ok();
        for key in [KEY, SECOND_KEY, OTHER_ORGANIZATION_KEY] {
            assert!(enter(format!("Bearer {key}")));
        }
        for wrong in [format!("Bearer {REVOKED_KEY}"), "Bearer x".into(), format!("Basic {KEY}"), KEY.into()] {
            assert!(!enter(wrong));
        }
        assert!(door.authenticate(&Faults::default(), &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_minute_holds_so_many_requests_of_one_organization() {
        let door = door();
        let faults = Faults::parse(["rate_limit=2"]).unwrap();
        let admit = |organization: &str, moment: &str| door.admit(&faults, organization, at(moment), || true).is_ok();
        assert!(admit("a", "2026-03-03T12:00:01Z") && admit("a", "2026-03-03T12:00:59Z"));
        assert!(!admit("a", "2026-03-03T12:00:59Z"));
        assert!(admit("b", "2026-03-03T12:00:59Z"));
        assert!(admit("a", "2026-03-03T12:01:00Z"));
        let off = Faults::parse(["rate_limit=0"]).unwrap();
        assert!((0..500).all(|_| { door.admit(&off, "c", at("2026-03-03T12:00:00Z"), || true).is_ok() }));
    }

    #[test]
    fn the_reset_is_the_next_minute_in_the_form_asked_for() {
        let reset = |item: &str| written(&Faults::parse([item]).unwrap(), at("2026-03-03T12:01:00Z"));
        assert_eq!(reset("reset_at=zulu"), Some(json!("2026-03-03T12:01:00.000000Z")));
        assert_eq!(reset("reset_at=naive"), Some(json!("2026-03-03T12:01:00.000000")));
        assert_eq!(reset("reset_at=epoch"), Some(json!(1_772_539_260)));
        assert_eq!(reset("reset_at=absent"), None);
        let refusal = over(&Faults::parse(["limits=429_with_headers"]).unwrap(), 5, at("2026-03-03T12:00:18Z"));
        assert!(refusal.headers.contains(&("retry-after", "42".to_owned())));
    }

    #[test]
    fn only_what_costs_is_gated_unless_all_is() {
        let faults = Faults::parse(["auth=402_trial_expired"]).unwrap();
        assert!(pay(&faults, ApiOperation::Purchase, "active").is_err());
        assert!(pay(&faults, ApiOperation::List, "active").is_ok());
        let all = Faults::parse(["payment_gate=all"]).unwrap();
        assert!(pay(&all, ApiOperation::List, "no_credits").is_err());
        assert!(pay(&all, ApiOperation::List, "active").is_ok());
    }
}
