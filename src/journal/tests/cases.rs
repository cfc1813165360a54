//! Cases that every store must pass: one function for each case.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::domain::samples;
pub(crate) use crate::journal::tests::audit::{
    a_call_that_comes_again_is_the_first_one, a_list_is_read_in_pages_without_gaps,
    totals_are_those_of_a_period_and_of_one_number, what_a_number_costs_is_kept_and_a_release_knows_it,
};
pub(crate) use crate::journal::tests::clocks::{
    a_number_is_not_bought_again_because_a_clock_says_so, a_wall_clock_alone_frees_and_erases_nothing,
};
use crate::journal::tests::fixture::*;
pub(crate) use crate::journal::tests::freezes::{
    a_freeze_lasts_and_no_pruning_ends_it, a_freeze_of_one_tenant_stops_no_other,
    a_freeze_says_who_has_the_journal_open, a_frozen_journal_begins_nothing_and_sends_nothing,
    what_was_sent_before_a_freeze_is_settled, while_many_begin_a_freeze_lets_none_through,
};
pub(crate) use crate::journal::tests::layouts::{
    a_newer_layout_is_refused_by_a_program_that_runs,
    a_program_of_an_older_layout_ends_what_it_sent_and_begins_nothing, every_older_layout_is_brought_up_to_date,
    rows_of_the_first_layout_in_every_state_are_kept, rows_of_the_second_layout_in_every_state_are_kept,
    rows_of_the_third_layout_in_every_state_are_kept,
};
pub(crate) use crate::journal::tests::leaving::{
    a_purchase_that_nobody_waits_for_stops_the_others, what_is_not_known_is_the_tenants_under_any_key,
};
pub(crate) use crate::journal::tests::page_hints::{
    hints_are_bounded, hints_are_kept_for_the_next_process, hints_never_cross_tenants_or_accounts,
};
pub(crate) use crate::journal::tests::pruning::old_rows_go_in_slices_beside_calls;
pub(crate) use crate::journal::tests::refusals::{
    a_used_nonce_outlives_the_row_it_came_with, equal_refusals_are_one_row_with_a_count,
    nobodys_refusals_push_out_anothers, refusals_are_kept_by_principal_and_by_tenant,
};
pub(crate) use crate::journal::tests::same_number::{
    a_number_is_not_released_while_it_is_still_bought, changes_of_one_number_do_not_run_at_once,
    what_was_read_before_another_change_is_stale,
};

pub(crate) async fn an_operation_is_followed_from_its_intent_to_its_outcome(fixture: Fixture) {
    let journal = fixture.journal();
    let intent = Intent {
        object: OperationTarget {
            number: Some(number(1)),
            number_id: Some("n1".to_owned()),
            direction: Some("inbound".to_owned()),
            agent_id: Some("a1".to_owned()),
            provider: Some("twilio".to_owned()),
            credentials_before: Some(vec!["c1".to_owned(), "c2".to_owned()]),
            created_after: Some(1_767_225_600_123),
            displaced: Slot::Held("a0".to_owned()),
        },
        price: money("1.15 USD"),
        fees: Fees::of(money("1.00 USD"), money("0.15 USD")),
        origin: CallOrigin {
            client: Some("a-client 1.2".to_owned()),
            call_id: Some("c".to_owned()),
            undo_of: Some("o".to_owned()),
        },
        evidence: GateEvidence { flag: true, token: true, click: false, person: Some(ConsentPlace::Form) },
        ..purchase(&number(1))
    };
    let (object, fees, origin) = (intent.object.clone(), intent.fees.clone(), intent.origin.clone());
    let id = journal.begins(intent).await;
    let begun = journal.one(id).await;
    assert_eq!((begun.state, &begun.object, begun.price.clone()), (OperationPhase::Begun, &object, money("1.15 USD")));
    assert_eq!((begun.evidence.as_str(), begun.account.as_str()), ("flag,token,person,form", "account"));
    assert_eq!((begun.tenant.as_str(), begun.principal.as_str()), ("default", "local"));
    assert!(fees.is_some() && (&begun.fees, &begun.origin) == (&fees, &origin));
    // A repeat of the same request needs leave once more.
    assert_eq!((journal.clear(id).await, journal.clear(id).await), (Ok(true), Ok(true)));
    assert_eq!(journal.state(id).await, OperationPhase::Sent);
    let ending = Outcome {
        upstream_status: Some(200),
        request_id: Some("req_7".to_owned()),
        number_id: Some("n2".to_owned()),
        credential_id: Some("c3".to_owned()),
        ..done()
    };
    journal.ends(id, ending).await;
    let ended = journal.one(id).await;
    assert_eq!((ended.state, ended.outcome.as_deref()), (OperationPhase::Done, Some("purchased")));
    assert_eq!((ended.upstream_status, ended.request_id.as_deref()), (Some(200), Some("req_7")));
    assert_eq!((ended.object.number_id.as_deref(), ended.credential_id.as_deref()), (Some("n2"), Some("c3")));
    assert_eq!(ended.known_by.as_deref(), Some("answer"));
    assert!(ended.rev > begun.rev && ended.ended_at >= Some(begun.begun_at));
    // What has ended does not end again, nor may it leave.
    assert!(!journal.settle(&id.to_string(), refused()).await && !journal.settle(&id.to_string(), done()).await);
    assert_eq!(journal.clear(id).await, Ok(false));
    journal.lose(id, None, None, None).await;
    assert_eq!(journal.one(id).await, ended);
    assert_eq!(journal.clear(Uuid::now_v7()).await, Ok(false));
}

pub(crate) async fn a_lost_answer_stays_unknown_until_something_is_known(fixture: Fixture) {
    let journal = fixture.journal();
    let id = journal.loses(purchase(&number(1))).await;
    let lost = journal.one(id).await;
    assert_eq!(
        (lost.state, lost.upstream_status, lost.request_id.as_deref()),
        (OperationPhase::Unknown, Some(502), Some("req_1"))
    );
    assert!(lost.is_unresolved() && lost.lost_at.is_some() && lost.ended_at.is_none());
    assert_eq!(journal.awaiting(&number(1)).len(), 1);
    assert_eq!(journal.unresolved().await.unwrap(), [lost]);
    assert!(journal.awaits_any() && journal.awaiting(&number(2)).is_empty());
    let seen = journal.awaiting(&number(1));
    journal.ends(seen[0].id.parse().unwrap(), Outcome::new(true, "purchased", OutcomeSource::Look)).await;
    assert!(!journal.awaits_any() && journal.unresolved().await.unwrap().is_empty());
    assert_eq!(journal.one(id).await.known_by.as_deref(), Some("look"));
}

pub(crate) async fn one_number_is_made_ours_by_one_operation_at_a_time(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let id = one.begins(purchase(&number(1))).await;
    for journal in [&one, &two] {
        for kind in [&samples::PURCHASE, &samples::IMPORT] {
            let stop = journal.stops(Intent { kind, ..purchase(&number(1)) }).await;
            assert!(matches!(stop, BeginConflict::Flying(open) if open.id == id.to_string()));
        }
        let flight = Some(format!("make:{}", number(1)));
        let standing = journal.standing(&Caller::local(), "purchase_number", flight, None, u32::MAX).await.unwrap();
        assert_eq!(standing.flying.map(|open| open.id), Some(id.to_string()));
    }
    two.begins(purchase(&number(2))).await;
    let other = Caller { tenant: "other".to_owned(), ..Caller::local() };
    two.begins(Intent { caller: other, ..purchase(&number(1)) }).await;
    assert_eq!(two.clear(id).await, Ok(false), "only who began it may send it");
    one.ends(id, refused()).await;
    two.begins(purchase(&number(1))).await;
}

pub(crate) async fn the_same_number_is_bought_once_however_many_try_at_once(fixture: Fixture) {
    let journals = [fixture.journal(), fixture.journal()];
    let tries = (0..20).map(|at| journals[at % 2].begin(purchase(&number(1))));
    let begun = join_all(tries).await.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_none()).count();
    assert_eq!(begun, 1);
}

pub(crate) async fn what_a_dead_process_left_is_given_back_or_not_known(fixture: Fixture) {
    let (dying, living) = (fixture.journal(), fixture.journal());
    let nonce = Some("n".to_owned());
    let begun = dying.begins(Intent { nonce: nonce.clone(), ..purchase(&number(1)) }).await;
    let sent = dying.sends(purchase(&number(2))).await;
    let (open, flying) = (living.begins(purchase(&number(3))).await, living.sends(purchase(&number(4))).await);
    assert_eq!((living.state(begun).await, living.state(sent).await), (OperationPhase::Begun, OperationPhase::Sent));
    assert_eq!(living.used().await, 4);
    fixture.crash(dying).await;
    let lost: Vec<String> = living.unresolved().await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(lost, [sent.to_string()]);
    let given_back = living.one(begun).await;
    assert_eq!((given_back.state, given_back.outcome.as_deref()), (OperationPhase::Refused, Some("cancelled")));
    assert_eq!((living.state(open).await, living.state(flying).await), (OperationPhase::Begun, OperationPhase::Sent));
    assert_eq!((living.used().await, living.awaiting(&number(2)).len()), (3, 1));
    assert_eq!(living.clear(begun).await, Ok(false));
    let revisions: BTreeSet<i64> = living.all().await.into_iter().map(|one| one.rev).collect();
    assert_eq!(revisions.len(), 4, "each change has a revision of its own");
    let acknowledged = vec![sent.to_string()];
    living.begins(Intent { nonce, acknowledged, ..purchase(&number(1)) }).await;
    assert!(matches!(living.stops(purchase(&number(2))).await, BeginConflict::Flying(_)));
}

pub(crate) async fn a_cap_is_reached_and_never_passed(fixture: Fixture) {
    let journals = [fixture.journal(), fixture.journal()];
    let capped = |at: u32| Intent { most: Some(3), ..purchase(&number(at)) };
    for at in 0..2 {
        journals[0].begins(capped(at)).await;
    }
    let tries = (0..20).map(|at| journals[at as usize % 2].begin(capped(100 + at)));
    let outcomes = join_all(tries).await;
    let passed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(None))).count();
    let stopped = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Some(BeginConflict::Cap(3))))).count();
    assert_eq!((passed, stopped), (1, 19), "{outcomes:?}");
    assert_eq!(journals[1].used().await, 3);
    assert_eq!(journals[0].stops(Intent { most: Some(0), ..purchase(&number(200)) }).await, BeginConflict::Cap(3));
    // Other tools and other tenants have their own.
    journals[0].begins(Intent { kind: &samples::IMPORT, ..capped(300) }).await;
    let other = Caller { tenant: "other".to_owned(), ..Caller::local() };
    journals[0].begins(Intent { caller: other, ..capped(301) }).await;
    // A day later there is room again.
    journals[0].wait(24 * HOUR - MINUTE).await;
    assert_eq!(journals[1].stops(capped(302)).await, BeginConflict::Cap(3));
    journals[0].wait(2 * MINUTE).await;
    journals[1].begins(capped(303)).await;
}

pub(crate) async fn a_limit_of_money_is_kept_to_the_last_millionth(fixture: Fixture) {
    let journals = [fixture.journal(), fixture.journal()];
    let at_price =
        |at: u32, price: &str| Intent { price: money(price), spend: money("2.00 USD"), ..purchase(&number(at)) };
    let first = journals[0].begins(at_price(1, "1.00 USD")).await;
    let spent = money("1.00 USD").unwrap();
    assert_eq!(journals[1].stops(at_price(2, "1.000001 USD")).await, BeginConflict::Spend(spent.clone()));
    assert_eq!(journals[1].stops(at_price(2, "0.50 EUR")).await, BeginConflict::Spend(spent));
    let tries = (0..20).map(|at| journals[at as usize % 2].begin(at_price(100 + at, "1.00 USD")));
    let passed = join_all(tries).await.iter().filter(|outcome| matches!(outcome, Ok(None))).count();
    assert_eq!(passed, 1);
    // Without a price nothing is reserved; whether that may be is the policy's affair.
    journals[0].begins(Intent { spend: money("2.00 USD"), ..purchase(&number(3)) }).await;
    assert!(matches!(journals[0].stops(at_price(4, "0.01 USD")).await, BeginConflict::Spend(_)));
    journals[0].ends(first, refused()).await;
    journals[0].begins(at_price(4, "0.01 USD")).await;
}

pub(crate) async fn only_what_did_not_happen_is_given_back(fixture: Fixture) {
    let journal = fixture.journal();
    let bought = journal.sends(purchase(&number(1))).await;
    let rejected = journal.sends(purchase(&number(2))).await;
    let running = journal.sends(purchase(&number(3))).await;
    journal.loses(Intent { stopped_by_unresolved: false, ..purchase(&number(4)) }).await;
    assert_eq!(journal.used().await, 4);
    journal.ends(bought, done()).await;
    journal.ends(rejected, refused()).await;
    assert_eq!(journal.used().await, 3);
    journal.ends(running, done()).await;
    assert_eq!(journal.used().await, 3);
}

pub(crate) async fn a_token_is_good_for_one_operation_and_for_another_if_nothing_was_sent(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let with = |at: u32| Intent { nonce: Some("nonce".to_owned()), ..purchase(&number(at)) };
    let is_used = async |journal: &Journal| {
        let nonce = Some("nonce".to_owned());
        journal.standing(&Caller::local(), "purchase_number", None, nonce, u32::MAX).await.unwrap().nonce_used
    };
    assert!(!is_used(&two).await);
    let first = one.begins(with(1)).await;
    assert!(is_used(&two).await);
    assert_eq!(two.stops(with(2)).await, BeginConflict::NonceUsed);
    one.ends(first, Outcome { sent: false, ..refused() }).await;
    assert!(!is_used(&two).await);
    let second = two.sends(with(2)).await;
    two.ends(second, refused()).await;
    assert_eq!(one.stops(with(3)).await, BeginConflict::NonceUsed);
    let other = Caller { tenant: "other".to_owned(), ..Caller::local() };
    one.begins(Intent { caller: other, ..with(3) }).await;
    // Whoever was asked and said no has answered for all, however often it is said.
    let no = |nonce: &str| crate::journal::operation::RefusedCall {
        caller: Caller::local(),
        tool: "purchase_number",
        object: OperationTarget::default(),
        digest: "digest".to_owned(),
        outcome: "human_declined",
        rule: None,
        client: None,
        evidence: GateEvidence { flag: true, ..GateEvidence::default() },
        nonce: Some(nonce.to_owned()),
    };
    one.refuse(no("asked")).await;
    two.refuse(no("asked")).await;
    assert_eq!(
        two.stops(Intent { nonce: Some("asked".to_owned()), ..purchase(&number(4)) }).await,
        BeginConflict::NonceUsed
    );
    let declined = two
        .find(OperationQuery { limit: 10, state: Some(OperationPhase::Refused), ..OperationQuery::default() })
        .await
        .unwrap();
    let declined: Vec<_> = declined.iter().filter(|row| row.outcome.as_deref() == Some("human_declined")).collect();
    assert_eq!(declined.iter().map(|row| row.times).collect::<Vec<_>>(), [2], "equal refusals are one row");
    assert_eq!((declined[0].evidence.as_str(), declined[0].approved_by().as_str()), ("flag", "nobody"));
    let many = join_all((0..10).map(|at| {
        let nonce = Some("fresh".to_owned());
        [&one, &two][at as usize % 2].begin(Intent { nonce, ..purchase(&number(100 + at)) })
    }));
    assert_eq!(many.await.iter().filter(|outcome| **outcome == Ok(None)).count(), 1);
}

pub(crate) async fn what_is_not_known_stops_its_principal_until_acknowledged(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let lost = one.loses(purchase(&number(1))).await.to_string();
    let knowing = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let stop = two.stops(purchase(&number(2))).await;
    assert!(matches!(stop, BeginConflict::Unresolved(left) if left[0].id == lost));
    let wrong = Intent { acknowledged: knowing(&["other"]), ..purchase(&number(2)) };
    assert!(matches!(two.stops(wrong).await, BeginConflict::Unresolved(_)));
    // Others are not stopped, nor are other tools, nor those whom it does not stop.
    let other = Caller { principal: "other".to_owned(), ..Caller::local() };
    one.begins(Intent { caller: other, ..purchase(&number(3)) }).await;
    one.begins(Intent { kind: &samples::IMPORT, ..purchase(&number(4)) }).await;
    one.begins(Intent { stopped_by_unresolved: false, ..purchase(&number(5)) }).await;

    let second = one.loses(Intent { stopped_by_unresolved: false, ..purchase(&number(6)) }).await.to_string();
    let half = Intent { acknowledged: knowing(&[&lost]), ..purchase(&number(7)) };
    assert!(
        matches!(two.stops(half).await, BeginConflict::Unresolved(left) if left.len() == 1 && left[0].id == second)
    );
    two.begins(Intent { acknowledged: knowing(&[&lost, &second]), ..purchase(&number(7)) }).await;
    // It stays acknowledged, and unknown, and its number stays out of reach.
    one.begins(purchase(&number(8))).await;
    assert!(two.all().await.iter().filter(|one| one.is_unresolved()).all(|one| one.acknowledged));
    let again = Intent { acknowledged: knowing(&[&lost]), ..purchase(&number(1)) };
    assert!(matches!(one.stops(again).await, BeginConflict::Flying(open) if open.id == lost));
    one.wait(100 * 24 * HOUR).await;
    assert!(matches!(two.stops(purchase(&number(1))).await, BeginConflict::Flying(open) if open.id == lost));
}

pub(crate) async fn more_that_is_not_known_than_is_shown_still_stops(fixture: Fixture) {
    let journal = fixture.journal();
    let mut lost = Vec::new();
    for at in 0..55 {
        let intent = Intent { stopped_by_unresolved: false, ..purchase(&number(at)) };
        lost.push(journal.loses(intent).await.to_string());
    }
    let BeginConflict::Unresolved(shown) = journal.stops(purchase(&number(100))).await else { panic!("it is stopped") };
    let acknowledged: Vec<String> = shown.into_iter().map(|one| one.id).collect();
    assert_eq!(acknowledged, lost[..50]);
    let BeginConflict::Unresolved(left) = journal.stops(Intent { acknowledged, ..purchase(&number(100)) }).await else {
        panic!("it is stopped by the others")
    };
    assert_eq!(left.iter().map(|one| &one.id).collect::<Vec<_>>(), lost[50..].iter().collect::<Vec<_>>());
    journal.begins(Intent { acknowledged: lost, ..purchase(&number(100)) }).await;
}

pub(crate) async fn a_number_just_made_ours_is_not_made_ours_again(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let first = one.sends(purchase(&number(1))).await;
    one.ends(first, done()).await;
    for kind in [&samples::PURCHASE, &samples::IMPORT] {
        let stop = two.stops(Intent { kind, ..purchase(&number(1)) }).await;
        assert!(matches!(stop, BeginConflict::JustDone(done) if done.id == first.to_string()));
    }
    let failed = two.sends(release(&number(1))).await;
    two.ends(failed, refused()).await;
    assert!(matches!(two.stops(purchase(&number(1))).await, BeginConflict::JustDone(_)));
    let given_up = two.sends(release(&number(1))).await;
    two.ends(given_up, done()).await;
    let second = one.sends(purchase(&number(1))).await;
    one.ends(second, done()).await;
    // The release before that purchase is none of it; a second release is no purchase.
    assert!(
        matches!(two.stops(purchase(&number(1))).await, BeginConflict::JustDone(done) if done.id == second.to_string())
    );
    two.begins(release(&number(1))).await;
    one.wait(23 * 60 * MINUTE).await;
    assert!(matches!(two.stops(purchase(&number(1))).await, BeginConflict::JustDone(_)));
    one.wait(61 * MINUTE).await;
    two.begins(purchase(&number(1))).await;
}

pub(crate) async fn that_it_happened_wins(fixture: Fixture) {
    let journal = fixture.journal();
    let answered = journal.sends(purchase(&number(1))).await;
    journal.ends(answered, refused()).await;
    assert_eq!(journal.used().await, 0);
    journal.ends(answered, done()).await;
    assert_eq!((journal.state(answered).await, journal.used().await), (OperationPhase::Done, 1));
    assert!(!journal.settle(&answered.to_string(), refused()).await);
    assert_eq!(journal.state(answered).await, OperationPhase::Done);

    // An operator said no, and the number shows: but only where no later operation may have brought it.
    let look = || Outcome::new(true, "purchased", OutcomeSource::Look);
    for bought_later in [false, true] {
        let number = number(10 + u32::from(bought_later));
        let lost = journal.loses(purchase(&number)).await;
        let ending = Outcome::new(false, "not_purchased", OutcomeSource::Operator);
        journal.resolve(lost.to_string(), ending, "asked".to_owned()).await.unwrap().unwrap();
        if bought_later {
            let later = journal.sends(purchase(&number)).await;
            journal.ends(later, done()).await;
        }
        assert_eq!(journal.settle(&lost.to_string(), look()).await, !bought_later);
    }
}

pub(crate) async fn an_operator_resolves_what_is_not_known_and_nothing_else(fixture: Fixture) {
    let (one, two) = (fixture.journal(), fixture.journal());
    let lost = one.loses(purchase(&number(1))).await;
    let running = one.sends(Intent { stopped_by_unresolved: false, ..purchase(&number(2)) }).await;
    let no = || Outcome::new(false, "not_purchased", OutcomeSource::Answer);
    let resolve = async |id: String| two.resolve(id, no(), "the support says no".to_owned()).await.unwrap();
    assert_eq!(resolve("nothing".to_owned()).await, None);
    let (operation, changed) = resolve(running.to_string()).await.unwrap();
    assert!(!changed && operation.state == OperationPhase::Sent);
    let (operation, changed) = resolve(lost.to_string()).await.unwrap();
    assert!(changed && operation.state == OperationPhase::Refused);
    assert_eq!(
        (operation.known_by.as_deref(), operation.note.as_deref()),
        (Some("operator"), Some("the support says no"))
    );
    assert!(!resolve(lost.to_string()).await.unwrap().1);
    assert_eq!(two.used().await, 1);
    two.begins(purchase(&number(1))).await;
    // Who had lost it looks out for it no longer once it has looked.
    assert_eq!(one.awaiting(&number(1)).len(), 1);
    assert!(one.unresolved().await.unwrap().is_empty() && one.awaiting(&number(1)).is_empty());
}

pub(crate) async fn operations_are_found_by_what_they_are(fixture: Fixture) {
    let journal = fixture.journal();
    let ended = journal.sends(purchase(&number(1))).await;
    journal.ends(ended, Outcome { number_id: Some("n1".to_owned()), ..done() }).await;
    let lost = journal.loses(purchase(&number(2))).await;
    journal.wait(HOUR).await;
    let running = journal.sends(release(&number(3))).await;
    let other = Caller { tenant: "other".to_owned(), principal: "p".to_owned() };
    let begun = journal.begins(Intent { caller: other.clone(), ..purchase(&number(4)) }).await;
    let denied = crate::journal::operation::RefusedCall {
        caller: Caller::local(),
        tool: "purchase_number",
        object: OperationTarget { number: Some(number(5)), ..OperationTarget::default() },
        digest: "digest".to_owned(),
        outcome: "policy_denied",
        rule: Some("countries".to_owned()),
        client: None,
        evidence: GateEvidence::default(),
        nonce: None,
    };
    journal.refuse(denied).await;
    let found = async |query: OperationQuery| {
        let limit = if query.limit == 0 { 100 } else { query.limit };
        let rows = journal.find(OperationQuery { limit, ..query }).await.unwrap();
        rows.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let all = found(OperationQuery::default()).await;
    let denied = all.iter().find(|id| ![ended, lost, running, begun].map(|id| id.to_string()).contains(*id)).unwrap();
    let [ended, lost, running, begun] = [ended, lost, running, begun].map(|id| id.to_string());
    assert_eq!(all, [&lost, &begun, &running, denied, &ended].map(Clone::clone));
    let refusal = journal.one(denied.parse().unwrap()).await;
    assert_eq!(
        (refusal.state, refusal.outcome.as_deref(), refusal.rule.as_deref()),
        (OperationPhase::Refused, Some("policy_denied"), Some("countries"))
    );
    let tenant = Some("other".to_owned());
    assert_eq!(found(OperationQuery { tenant, ..OperationQuery::default() }).await, std::slice::from_ref(&begun));
    assert_eq!(
        found(OperationQuery { state: Some(OperationPhase::Unknown), ..OperationQuery::default() }).await,
        std::slice::from_ref(&lost)
    );
    assert_eq!(
        found(OperationQuery { tool: Some("release_number".to_owned()), ..OperationQuery::default() }).await,
        std::slice::from_ref(&running)
    );
    assert_eq!(
        found(OperationQuery { object: Some(number(1)), ..OperationQuery::default() }).await,
        std::slice::from_ref(&ended)
    );
    assert_eq!(
        found(OperationQuery { object: Some("n1".to_owned()), ..OperationQuery::default() }).await,
        std::slice::from_ref(&ended)
    );
    assert_eq!(
        found(OperationQuery { id: Some(lost.clone()), ..OperationQuery::default() }).await,
        std::slice::from_ref(&lost)
    );
    assert_eq!(found(OperationQuery { limit: 2, ..OperationQuery::default() }).await, all[..2]);
    let since = Some(journal.one(running.parse().unwrap()).await.begun_at);
    assert_eq!(found(OperationQuery { since, ..OperationQuery::default() }).await.len(), 3);

    // A page of changes at a time, and nothing is missed.
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = journal
            .find(OperationQuery { after_rev: Some(after), limit: 2, ..OperationQuery::default() })
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = last.rev;
        seen.extend(page.into_iter().map(|one| one.id));
    }
    assert_eq!(seen, [&ended, &lost, &running, &begun, denied].map(Clone::clone));
    journal.ends(running.parse().unwrap(), done()).await;
    assert_eq!(found(OperationQuery { after_rev: Some(after), ..OperationQuery::default() }).await, [running]);
}

pub(crate) async fn what_is_old_is_forgotten_but_never_what_is_not_known(fixture: Fixture) {
    let journal = fixture.journal();
    let bought = journal.sends(purchase(&number(1))).await;
    journal.ends(bought, done()).await;
    let lost = journal.loses(purchase(&number(2))).await;
    let running = journal.sends(release(&number(3))).await;
    journal.wait(89 * 24 * HOUR).await;
    assert_eq!(journal.prune().await, Ok(0));
    journal.wait(1000 * 24 * HOUR).await;
    assert_eq!(journal.prune().await, Ok(1));
    assert_eq!(
        (journal.state(lost).await, journal.state(running).await),
        (OperationPhase::Unknown, OperationPhase::Sent)
    );
    // The newest change stays, so that revisions only grow and whoever follows them misses nothing.
    let newest = journal.one(running).await.rev;
    journal.ends(running, done()).await;
    journal.wait(1000 * 24 * HOUR).await;
    assert_eq!(journal.prune().await, Ok(0));
    let next = journal.begins(release(&number(4))).await;
    assert!(journal.one(next).await.rev > newest + 1);
    assert_eq!(journal.prune().await, Ok(1));
}

pub(crate) async fn rows_survive(fixture: Fixture) {
    let first = fixture.journal();
    let bought = first.sends(Intent { price: money("1.15 USD"), ..purchase(&number(1)) }).await;
    first.ends(bought, done()).await;
    let lost = first.loses(purchase(&number(2))).await;
    let before = first.all().await;
    fixture.crash(first).await;
    let second = fixture.journal();
    assert_eq!(second.all().await, before);
    assert_eq!(second.unresolved().await.unwrap()[0].id, lost.to_string());
    assert_eq!((second.used().await, second.awaiting(&number(2)).len()), (2, 1));
}

pub(crate) async fn a_newer_layout_is_refused_and_left_alone(fixture: Fixture) {
    let journal = fixture.journal();
    journal.begins(purchase(&number(1))).await;
    journal.sql("UPDATE journal_version SET version = 99".to_owned()).await;
    fixture.crash(journal).await;
    let journal = fixture.journal();
    for _ in 0..2 {
        let Err(why) = journal.begin(purchase(&number(2))).await else { panic!("it begins") };
        assert!(matches!(why, Unavailable::Newer { found: 99, .. }), "{why}");
        assert!(why.to_string().contains("newer version") && why.to_string().contains("99"), "{why}");
    }
}

pub(crate) async fn an_error_takes_all_of_it_back(fixture: Fixture) {
    let journal = fixture.journal();
    journal.begins(purchase(&number(1))).await;
    let halfway = journal.run(|transaction| {
        Box::pin(async move {
            transaction.execute("DELETE FROM operations", &[]).await?;
            Err::<(), _>(Unavailable::Failed("no".to_owned()))
        })
    });
    assert_eq!(halfway.await, Err(Unavailable::Failed("no".to_owned())));
    // So does a statement that fails.
    let wrong = journal.run(|transaction| {
        Box::pin(async move {
            transaction.execute("DELETE FROM operations", &[]).await?;
            transaction.execute("DELETE FROM nowhere", &[]).await
        })
    });
    assert!(wrong.await.is_err());
    assert_eq!(journal.all().await.len(), 1);
    journal.begins(purchase(&number(2))).await;
    // And a fault in the work itself does no more.
    let fault = journal.run(|transaction| {
        Box::pin(async move {
            transaction.execute("DELETE FROM operations", &[]).await?;
            if true { panic!("a fault on purpose") } else { Ok(()) }
        })
    });
    assert!(fault.await.is_err());
    assert_eq!(journal.all().await.len(), 2);
}
