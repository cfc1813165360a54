//! The levels of the gate over the wire: what a token is good for, and what only a person is.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::era::{Era, in_both_eras};
use crate::support::fake_truedy::{PURCHASE, Play, Reply, SEARCH, Upstream};
use crate::support::mcp_client::{Agent, Refusal, Setup};
use crate::support::people::Human;
use crate::support::program::server;
use crate::support::raw_client::Wire;
use crate::support::sandbox::Sandbox;

/// Bought, waiting for its carrier, used by nobody.
const IDLE: &str = "+13125550110";
/// Imported, used by nobody.
const IDLE_IMPORTED: &str = "+442079460123";
/// "Front desk" answers it.
const ANSWERED: &str = "+14155550123";
const FOR_SALE: &str = "+14155550150";
const ALSO_FOR_SALE: &str = "+14155550151";

/// An agent whose client cannot ask, at this level.
fn at(level: &str, era: Era) -> Setup {
    Agent::alone(era).flags(&["--gate", level])
}

fn release(number: &str, token: Option<&str>) -> Value {
    with_token(json!({ "number_id": number, "confirm": true }), token)
}

fn buy(number: &str, token: Option<&str>) -> Value {
    with_token(json!({ "phone_number": number, "confirm": true }), token)
}

fn with_token(mut arguments: Value, token: Option<&str>) -> Value {
    if let Some(token) = token {
        arguments["confirmation_token"] = json!(token);
    }
    arguments
}

/// The refusal, which says in its first words that nothing happened.
fn refused(outcome: Result<Value, Refusal>) -> Refusal {
    let refusal = outcome.expect_err("a refusal");
    assert!(refusal.summary.starts_with("Nothing was "), "{}", refusal.summary);
    refusal
}

/// The token of a preview, which stands in both halves of the answer.
fn token_of(preview: &Refusal) -> String {
    preview.body["confirmation_token"].as_str().unwrap_or_else(|| panic!("no token: {preview:?}")).to_owned()
}

/// A call that gets a preview with this status, and its token.
async fn previewed(agent: &Agent, tool: &str, arguments: Value, status: &str) -> String {
    let preview = refused(agent.call(tool, arguments).await);
    assert_eq!(preview.status, status, "{preview:?}");
    token_of(&preview)
}

in_both_eras!(a_release_needs_the_flag_and_the_token_of_a_preview);
async fn a_release_needs_the_flag_and_the_token_of_a_preview(era: Era) {
    let agent = at("token", era).start().await;
    let required = "confirmation_required";
    let token = previewed(&agent, "release_number", json!({ "number_id": IDLE }), required).await;
    previewed(&agent, "release_number", release(IDLE, None), required).await;
    let unconfirmed = json!({ "number_id": IDLE, "confirmation_token": token });
    previewed(&agent, "release_number", unconfirmed, required).await;
    assert_eq!(agent.sent().releases(), 0);
    let released = agent.call("release_number", release(IDLE, Some(&token))).await.expect("released");
    assert_eq!(released["status"], "released");
    assert_eq!(refused(agent.call("release_number", release(IDLE, Some(&token))).await).status, "not_found");
    assert_eq!(agent.leave().await.releases(), 1);
}

in_both_eras!(the_call_that_a_preview_points_to_is_the_one_that_succeeds);
async fn the_call_that_a_preview_points_to_is_the_one_that_succeeds(era: Era) {
    let agent = at("token", era).start().await;
    for (tool, arguments) in
        [("release_number", json!({ "number_id": IDLE })), ("purchase_number", json!({ "phone_number": FOR_SALE }))]
    {
        let preview = refused(agent.call(tool, arguments).await);
        assert_eq!(preview.body["next"]["tool"], tool);
        agent.call(tool, preview.body["next"]["arguments"].clone()).await.unwrap_or_else(|no| panic!("{no:?}"));
    }
    let sent = agent.leave().await;
    assert_eq!((sent.releases(), sent.purchases()), (1, 1));
}

in_both_eras!(a_purchase_needs_the_flag_and_the_token_of_a_preview);
async fn a_purchase_needs_the_flag_and_the_token_of_a_preview(era: Era) {
    let agent = at("token", era).start().await;
    let required = "confirmation_required";
    let preview = refused(agent.call("purchase_number", json!({ "phone_number": FOR_SALE })).await);
    assert_eq!(preview.status, required);
    assert!(preview.summary.contains(FOR_SALE) && preview.summary.contains("1.00 USD a month"), "{preview:?}");
    let token = token_of(&preview);
    previewed(&agent, "purchase_number", buy(FOR_SALE, None), required).await;
    let unconfirmed = json!({ "phone_number": FOR_SALE, "confirmation_token": token });
    previewed(&agent, "purchase_number", unconfirmed, required).await;
    assert_eq!(agent.sent().purchases(), 0);
    let bought = agent.call("purchase_number", buy(FOR_SALE, Some(&token))).await.expect("bought");
    assert_eq!(bought["status"], "purchased");
    let again = agent.call("purchase_number", buy(FOR_SALE, Some(&token))).await.expect("it is ours");
    assert_eq!((&again["status"], &again["purchased"]), (&json!("already_owned"), &json!(false)));
    assert_eq!(agent.leave().await.purchases(), 1);
}

in_both_eras!(one_token_used_many_times_at_once_changes_one_thing);
async fn one_token_used_many_times_at_once_changes_one_thing(era: Era) {
    let agent = at("token", era).start().await;
    let token =
        previewed(&agent, "purchase_number", json!({ "phone_number": FOR_SALE }), "confirmation_required").await;
    let calls = (0..12).map(|_| agent.call("purchase_number", buy(FOR_SALE, Some(&token))));
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().flatten().filter(|answer| answer["status"] == "purchased").count(), 1);
    let token = previewed(&agent, "release_number", json!({ "number_id": IDLE }), "confirmation_required").await;
    let calls = (0..12).map(|_| agent.call("release_number", release(IDLE, Some(&token))));
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().flatten().filter(|answer| answer["status"] == "released").count(), 1);
    let sent = agent.leave().await;
    assert_eq!((sent.purchases(), sent.releases()), (1, 1));
}

in_both_eras!(a_token_for_one_thing_is_none_for_another);
async fn a_token_for_one_thing_is_none_for_another(era: Era) {
    let agent = at("token", era).start().await;
    let stranger = at("token", era).start().await;
    let required = "confirmation_required";
    let other_number = previewed(&agent, "release_number", json!({ "number_id": IDLE_IMPORTED }), required).await;
    let other_tool = previewed(&agent, "purchase_number", json!({ "phone_number": FOR_SALE }), required).await;
    let other_process = previewed(&stranger, "release_number", json!({ "number_id": IDLE }), required).await;
    let own = previewed(&agent, "release_number", json!({ "number_id": IDLE }), required).await;
    let mut wrong = vec![other_number, other_tool, other_process, "x".to_owned(), own[..own.len() - 1].to_owned()];
    let mut turned = own.clone().into_bytes();
    let at = turned.len() / 2;
    turned[at] ^= 1;
    wrong.push(String::from_utf8(turned).unwrap());
    let mut fresh = own;
    for token in wrong {
        let told = refused(agent.call("release_number", release(IDLE, Some(&token))).await);
        assert_eq!(told.status, "confirmation_invalid", "{token}: {told:?}");
        assert_eq!(told.body["number"], IDLE, "it is a whole preview");
        fresh = token_of(&told);
    }
    assert_eq!(agent.sent().releases(), 0);
    agent.call("release_number", release(IDLE, Some(&fresh))).await.expect("the fresh one holds");
    assert_eq!(agent.leave().await.releases(), 1);
    assert_eq!(stranger.leave().await.changes(), 0);
}

in_both_eras!(no_token_gets_past_what_is_forbidden);
async fn no_token_gets_past_what_is_forbidden(era: Era) {
    let sandbox = Sandbox::start().await;
    let agent = at("token", era).on(&sandbox).start().await;
    let required = "confirmation_required";
    let used = previewed(&agent, "release_number", json!({ "number_id": ANSWERED }), required).await;
    assert_eq!(refused(agent.call("release_number", release(ANSWERED, Some(&used))).await).status, "number_in_use");
    // Assigned after the preview.
    let token = previewed(&agent, "release_number", json!({ "number_id": IDLE_IMPORTED }), required).await;
    let assign = json!({ "number_id": IDLE_IMPORTED, "agent_id": "Front desk", "assignment_type": "inbound" });
    agent.call("assign_number", assign).await.expect("assigned");
    let in_use = refused(agent.call("release_number", release(IDLE_IMPORTED, Some(&token))).await);
    assert_eq!(in_use.status, "number_in_use");
    // A refusal does not use a token up.
    let unassign = json!({ "number_id": IDLE_IMPORTED, "assignment_type": "inbound" });
    agent.call("unassign_number", unassign).await.expect("unassigned");
    agent.call("release_number", release(IDLE_IMPORTED, Some(&token))).await.expect("it is as it was seen");
    assert_eq!(agent.leave().await.releases(), 1);
}

in_both_eras!(what_changed_since_the_preview_is_shown_anew);
async fn what_changed_since_the_preview_is_shown_anew(era: Era) {
    let agent = at("token", era).start().await;
    let token =
        previewed(&agent, "purchase_number", json!({ "phone_number": FOR_SALE }), "confirmation_required").await;
    agent.call("purchase_number", buy(FOR_SALE, Some(&token))).await.expect("bought");
    // It is pending now, and active a moment later.
    let token = previewed(&agent, "release_number", json!({ "number_id": FOR_SALE }), "confirmation_required").await;
    while agent.numbers(json!({})).await.row(FOR_SALE)["status"] != "active" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let fresh = previewed(&agent, "release_number", release(FOR_SALE, Some(&token)), "state_changed").await;
    assert_eq!(agent.sent().releases(), 0);
    agent.call("release_number", release(FOR_SALE, Some(&fresh))).await.expect("released");
}

/// Offers of the one number for sale, at this price.
fn offered(price: Option<&str>) -> Play {
    let cost = price.map(|price| json!({ "currency": "USD", "monthly_cost": price, "upfront_cost": "1.00000" }));
    let offer = json!({ "phone_number": FOR_SALE, "phone_number_type": "local", "cost_information": cost });
    Play::Answer(Reply::json(200, &json!({ "data": [offer], "pagination": { "has_more": false } })))
}

#[test]
fn a_token_is_bound_to_the_price_that_was_shown() {
    let upstream = Upstream::start();
    upstream.in_turn(SEARCH, vec![offered(Some("1.00000")), offered(Some("9.00000")), offered(Some("9.00000"))]);
    let mut command = server(&upstream.base_url());
    command.args(["--gate", "token"]);
    let mut wire = Wire::open(command, Era::Modern);
    let shown = wire.call("purchase_number", json!({ "phone_number": FOR_SALE }));
    assert_eq!(shown.status(), "confirmation_required", "{}", shown.0);
    assert!(shown.summary().contains("1.00 USD a month"), "{}", shown.0);
    let token = shown.object()["confirmation_token"].as_str().expect("a token").to_owned();
    let dearer = wire.call("purchase_number", buy(FOR_SALE, Some(&token)));
    assert_eq!(dearer.status(), "state_changed", "{}", dearer.0);
    assert!(dearer.summary().contains("9.00 USD a month"), "{}", dearer.0);
    assert_eq!(upstream.count(PURCHASE), 0);
    let token = dearer.object()["confirmation_token"].as_str().expect("a token").to_owned();
    assert_eq!(wire.call("purchase_number", buy(FOR_SALE, Some(&token))).status(), "purchased");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[test]
fn a_price_that_is_not_known_is_said_and_stops_where_there_is_a_limit() {
    let upstream = Upstream::start();
    upstream.always(SEARCH, offered(None));
    let mut command = server(&upstream.base_url());
    command.args(["--gate", "token"]);
    let mut wire = Wire::open(command, Era::Modern);
    let shown = wire.call("purchase_number", json!({ "phone_number": FOR_SALE }));
    assert!(shown.summary().contains("a price that is not known"), "{}", shown.0);
    let limited = wire.call("purchase_number", json!({ "phone_number": FOR_SALE, "max_monthly_cost": "5" }));
    assert_eq!((limited.status(), &limited.object()["price"]), ("price_limit", &json!("unknown")));
    for limit in [["--max-monthly-cost", "5 USD"], ["--spend-per-day", "50 USD"]] {
        let mut command = server(&upstream.base_url());
        command.args(limit);
        let mut wire = Wire::open(command, Era::Modern);
        let denied = wire.call("purchase_number", json!({ "phone_number": FOR_SALE }));
        assert_eq!((denied.status(), &denied.object()["rule"]), ("policy_denied", &json!("price_unknown")));
    }
    assert_eq!(upstream.count(PURCHASE), 0);
}

in_both_eras!(limits_of_price_and_spending_hold);
async fn limits_of_price_and_spending_hold(era: Era) {
    let agent = Agent::alone(era).flags(&["--spend-per-day", "5 USD", "--max-monthly-cost", "1.50 USD"]).start().await;
    let toll_free = refused(agent.call("purchase_number", json!({ "phone_number": "+18005550150" })).await);
    assert_eq!(toll_free.body["rule"], "max_monthly_cost", "{toll_free:?}");
    let own = json!({ "phone_number": FOR_SALE, "max_monthly_cost": "0.99" });
    assert_eq!(refused(agent.call("purchase_number", own).await).status, "price_limit");
    // Each costs a dollar now and a dollar a month: two fit, and a third would not.
    for number in [FOR_SALE, ALSO_FOR_SALE] {
        agent.call("purchase_number", json!({ "phone_number": number, "confirm": true })).await.expect("bought");
    }
    let third =
        refused(agent.call("purchase_number", json!({ "phone_number": "+14155550152", "confirm": true })).await);
    assert_eq!((third.status.as_str(), &third.body["rule"]), ("policy_denied", &json!("spend_per_day")));
    assert!(third.summary.contains("4.00 USD of the 5.00 USD"), "{}", third.summary);
    assert_eq!(agent.leave().await.purchases(), 2);
}

/// A private file with these keys, a line each.
fn key_file(folder: &Path, name: &str, keys: &[&str]) -> String {
    let file = folder.join(name);
    std::fs::write(&file, keys.iter().map(|key| key.repeat(8) + "\n").collect::<String>()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    file.to_str().unwrap().to_owned()
}

in_both_eras!(a_token_outlasts_a_restart_where_the_operator_gives_the_key);
async fn a_token_outlasts_a_restart_where_the_operator_gives_the_key(era: Era) {
    let (sandbox, folder) = (Sandbox::start().await, tempfile::tempdir().unwrap());
    let state = folder.path().join("state").to_str().unwrap().to_owned();
    let first = key_file(folder.path(), "first", &["first-key"]);
    let both = key_file(folder.path(), "both", &["other-key", "first-key"]);
    let other = key_file(folder.path(), "other", &["other-key"]);
    let with = |file: &str| at("token", era).on(&sandbox).flags(&["--state-key-file", file, "--state-dir", &state]);
    let before = with(&first).start().await;
    let token =
        previewed(&before, "purchase_number", json!({ "phone_number": FOR_SALE }), "confirmation_required").await;
    let second =
        previewed(&before, "purchase_number", json!({ "phone_number": ALSO_FOR_SALE }), "confirmation_required").await;
    before.leave().await;
    let rotated = with(&other).start().await;
    previewed(&rotated, "purchase_number", buy(FOR_SALE, Some(&token)), "confirmation_invalid").await;
    rotated.leave().await;
    let while_rotating = with(&both).start().await;
    while_rotating.call("purchase_number", buy(FOR_SALE, Some(&token))).await.expect("the old key opens still");
    while_rotating.leave().await;
    let same = with(&first).start().await;
    same.call("purchase_number", buy(ALSO_FOR_SALE, Some(&second))).await.expect("the same key");
    assert_eq!(same.leave().await.purchases(), 2);
}

in_both_eras!(where_a_person_is_needed_nothing_else_does);
async fn where_a_person_is_needed_nothing_else_does(era: Era) {
    let agent = at("human", era).start().await;
    // A preview would lead nowhere.
    for arguments in [json!({ "number_id": IDLE }), release(IDLE, None), release(IDLE, Some("forged"))] {
        assert_eq!(refused(agent.call("release_number", arguments).await).status, "human_unavailable");
    }
    for arguments in [json!({ "phone_number": FOR_SALE }), buy(FOR_SALE, None), buy(FOR_SALE, Some("forged"))] {
        assert_eq!(refused(agent.call("purchase_number", arguments).await).status, "human_unavailable");
    }
    assert_eq!(agent.leave().await.changes(), 0);
}

in_both_eras!(a_person_who_agrees_is_asked_once_the_token_holds);
async fn a_person_who_agrees_is_asked_once_the_token_holds(era: Era) {
    let agent = Agent::with(Human::Agrees).in_era(era).flags(&["--gate", "human"]).start().await;
    let token = previewed(&agent, "release_number", json!({ "number_id": IDLE }), "confirmation_required").await;
    previewed(&agent, "release_number", release(IDLE, None), "confirmation_required").await;
    previewed(&agent, "release_number", release(IDLE, Some("forged")), "confirmation_invalid").await;
    assert!(agent.asked().is_empty(), "nobody is bothered before");
    agent.call("release_number", release(IDLE, Some(&token))).await.expect("released");
    assert_eq!(agent.asked().len(), 1);
    let token =
        previewed(&agent, "purchase_number", json!({ "phone_number": FOR_SALE }), "confirmation_required").await;
    agent.call("purchase_number", buy(FOR_SALE, Some(&token))).await.expect("bought");
    assert_eq!(agent.asked().len(), 1);
    let sent = agent.leave().await;
    assert_eq!((sent.releases(), sent.purchases()), (1, 1));
}

in_both_eras!(a_person_who_declines_is_stronger_than_any_token);
async fn a_person_who_declines_is_stronger_than_any_token(era: Era) {
    for level in ["token", "human"] {
        let agent = Agent::with(Human::Declines).in_era(era).flags(&["--gate", level]).start().await;
        let token = previewed(&agent, "release_number", json!({ "number_id": IDLE }), "confirmation_required").await;
        for _ in 0..2 {
            let declined = refused(agent.call("release_number", release(IDLE, Some(&token))).await);
            assert_eq!(declined.status, "human_declined");
        }
        assert_eq!(agent.leave().await.changes(), 0);
    }
}

in_both_eras!(what_policy_and_gate_refuse_is_recorded);
async fn what_policy_and_gate_refuse_is_recorded(era: Era) {
    let agent = at("token", era).flags(&["--protect", IDLE]).start().await;
    refused(agent.call("release_number", release(IDLE, None)).await);
    refused(agent.call("release_number", release(ANSWERED, None)).await);
    let listed = agent.call("list_operations", json!({ "only": "all" })).await.expect("the journal");
    let rows = listed["operations"].as_array().expect("rows");
    let told: Vec<_> = rows.iter().map(|row| (&row["number"], &row["outcome"], &row["state"])).collect();
    let refused = json!("refused");
    let (used, denied) = (json!("number_in_use"), json!("policy_denied"));
    let (answered, idle) = (json!(ANSWERED), json!(IDLE));
    assert_eq!(told, [(&answered, &used, &refused), (&idle, &denied, &refused)]);
    assert_eq!(rows[1]["rule"], "protect");
    assert!(agent.leave().await.changes() == 0);
}

#[test]
fn neither_the_journal_nor_what_stands_in_the_way_holds_a_secret() {
    const CARRIER_KEY: &str = "KEYlevels0123456789_canary";
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    upstream.always(PURCHASE, Play::Close);
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(home.path());
    let mut wire = Wire::open(command, Era::Modern);
    let buy = |number: &str| json!({ "phone_number": number, "api_key": CARRIER_KEY, "confirm": true });
    assert_eq!(wire.call("purchase_number", buy(FOR_SALE)).status(), "outcome_unknown");
    let second = wire.call("purchase_number", buy(ALSO_FOR_SALE));
    assert_eq!(second.status(), "operation_unresolved", "{}", second.0);
    assert!(!second.0.to_string().contains("canary"), "{}", second.0);
    let next = &second.object()["next"]["arguments"];
    assert_eq!(next["phone_number"], ALSO_FOR_SALE);
    assert_eq!(next["acknowledge_unresolved"], second.object()["acknowledge_unresolved"]);
    assert!(next.get("api_key").is_none(), "the caller knows it, and adds it");
    wire.running.close();
    let files: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("journal.sqlite")), "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"canary"), "{}", file.display());
    }
}
