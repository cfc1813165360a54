//! Tests of `elicitation.rs`, in a file of their own because both together are long.

use super::*;
use crate::domain::{ClockReading, boot_id};

fn question() -> Question {
    Question {
        message: "Release +14155550123?".to_owned(),
        form: QuestionForm::Last4 { field: "release", digits: "0123".to_owned(), of_id: false },
        declined: "Nothing was released.".to_owned(),
    }
}

fn second(state: Option<String>, answer: Option<Value>) -> Elicitor {
    let responses = answer.map(|answer| InputResponses::from([(QUESTION.to_owned(), answer)]));
    let way = ElicitationMode::SecondCall { state, responses };
    Elicitor { way, form: true, ..Elicitor::nobody() }
}

fn new() -> Consent {
    Consent::new(&SealingKeys::of_this_process())
}

async fn put(consent: &Consent, subject: &ConsentSubject<'_>) -> String {
    match consent.ask(&second(None, None), &CancellationToken::new(), (&question(), None), subject).await {
        Ok(ConsentOutcome::Pending(asked)) => asked.request_state.expect("a state"),
        _ => panic!("not asked"),
    }
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "release": true, "last4": "0123" } })
}

#[tokio::test]
async fn only_a_whole_yes_is_a_yes() {
    let consent = new();
    let arguments = json!({ "number_id": "n" });
    let caller = Caller::local();
    let subject = ConsentSubject { caller: &caller, tool: "release_number", arguments: &arguments, seen: "s" };
    for (answer, right) in [
        (yes(), true),
        (json!({ "action": "accept", "content": { "release": true, "last4": "9999" } }), false),
        (json!({ "action": "accept", "content": { "release": false, "last4": "0123" } }), false),
        (json!({ "action": "accept", "content": { "release": "true", "last4": "0123" } }), false),
        (json!({ "action": "accept", "content": { "release": true } }), false),
        (json!({ "action": "accept", "content": {} }), false),
        (json!({ "action": "accept" }), false),
        (json!({ "action": "decline" }), false),
        (json!({ "action": "cancel" }), false),
        (json!({ "action": "maybe" }), false),
        (json!("yes"), false),
    ] {
        let state = put(&consent, &subject).await;
        let word = consent
            .ask(&second(Some(state), Some(answer.clone())), &CancellationToken::new(), (&question(), None), &subject)
            .await;
        assert_eq!(matches!(word, Ok(ConsentOutcome::Yes { .. })), right, "{answer}");
        assert_eq!(matches!(word, Ok(ConsentOutcome::No { .. })), !right, "{answer}");
    }
}

#[test]
fn a_state_from_the_future_or_of_long_ago_is_none() {
    let (consent, arguments, caller) = (new(), json!({ "number_id": "n" }), Caller::local());
    let subject = ConsentSubject { caller: &caller, tool: "release_number", arguments: &arguments, seen: "s" };
    let opens = |wall: i64, boot: i64| {
        let now = ClockReading::now();
        let then = ClockReading { wall: now.wall - wall * 1000, boot: now.boot - boot * 1000, ..now };
        let issued = IssueTime::of(&then, boot_id());
        let state = ElicitationState { nonce: "n".to_owned(), seen: digest("s"), issued, page: None };
        let binding = subject.binding();
        let options = SealOptions::new().associated_data(&binding).ttl(STATE_LIFE);
        let sealed = consent.sealer.codec().expect("a codec").seal_json_with(&state, &options).expect("a state");
        consent.open(&sealed, &binding).is_some()
    };
    assert!(opens(0, 0) && opens(599, 599) && opens(-20, 0));
    assert!(!opens(-60, 0) && !opens(-91 * 86_400, 0) && !opens(0, -10));
    // The wall clock was set back, or ahead, after it was sealed.
    assert!(!opens(0, 601) && !opens(601, 0));
}

#[test]
fn a_second_call_is_judged_whatever_it_declares() {
    let (arguments, caller) = (json!({ "number_id": "n" }), Caller::local());
    let subject = ConsentSubject { caller: &caller, tool: "release_number", arguments: &arguments, seen: "s" };
    let sealed = |consent: &Consent| {
        let state = ElicitationState { nonce: "n".to_owned(), seen: digest("s"), issued: IssueTime::now(), page: None };
        let binding = subject.binding();
        let options = SealOptions::new().associated_data(&binding).ttl(STATE_LIFE);
        consent.sealer.codec().expect("a codec").seal_json_with(&state, &options).expect("a state")
    };
    let wrong = json!({ "action": "accept", "content": { "release": true, "last4": "9999" } });
    for form in [true, false] {
        for (answer, early, admitted, status) in [
            (Some(json!({ "action": "decline" })), true, false, Status::HumanDeclined),
            (Some(json!({ "action": "cancel" })), true, false, Status::HumanDeclined),
            (Some(json!("no")), true, false, Status::HumanUnavailable),
            (Some(wrong.clone()), false, false, Status::HumanDeclined),
            (Some(yes()), false, form, Status::HumanUnavailable),
            (None, false, false, Status::HumanUnavailable),
        ] {
            let consent = new();
            let elicitor = Elicitor { form, ..second(Some(sealed(&consent)), answer.clone()) };
            let no = consent.refusal_in(&elicitor, &subject, "Nothing was released.");
            assert_eq!(no.as_ref().map(|no| no.refusal.status), early.then_some(status), "{answer:?}");
            if no.is_none() {
                let about = (Some(&question()), "Nothing was released.");
                let verdict =
                    consent.admit_second_call(&elicitor, about, &subject).map_err(|(refusal, _)| refusal.status);
                assert_eq!(verdict, if admitted { Ok(()) } else { Err(status) }, "{answer:?} {form}");
            }
        }
        let consent = new();
        let about = || (Some(question()), "Nothing was released.");
        for (state, answer, passes) in [
            (None, None, true),
            (None, Some(yes()), false),
            (Some("forged".to_owned()), None, false),
            (Some("forged".to_owned()), Some(yes()), false),
        ] {
            let elicitor = Elicitor { form, ..second(state, answer) };
            let (question, nothing) = about();
            assert!(consent.refusal_in(&elicitor, &subject, nothing).is_none());
            let verdict = consent.admit_second_call(&elicitor, (question.as_ref(), nothing), &subject);
            assert_eq!(verdict.is_ok(), passes);
            // Where nobody would be asked at all, what is no state of ours says nothing.
            assert!(consent.admit_second_call(&elicitor, (None, nothing), &subject).is_ok());
        }
    }
}

#[tokio::test]
async fn a_yes_is_good_once_and_for_one_thing() {
    let consent = new();
    let (arguments, other) = (json!({ "number_id": "n" }), json!({ "number_id": "m" }));
    let caller = Caller::local();
    let subject = ConsentSubject { caller: &caller, tool: "release_number", arguments: &arguments, seen: "s" };
    let state = put(&consent, &subject).await;
    let asked_again = |word: Result<ConsentOutcome, Refusal>| matches!(word, Ok(ConsentOutcome::Pending(_)));
    for wrong in [
        ConsentSubject { arguments: &other, ..subject },
        ConsentSubject { tool: "purchase_number", ..subject },
        ConsentSubject { caller: &Caller { principal: "other".to_owned(), ..Caller::local() }, ..subject },
        ConsentSubject { caller: &Caller { tenant: "other".to_owned(), ..Caller::local() }, ..subject },
    ] {
        assert!(asked_again(
            consent
                .ask(&second(Some(state.clone()), Some(yes())), &CancellationToken::new(), (&question(), None), &wrong)
                .await
        ));
    }
    assert!(asked_again(
        consent
            .ask(
                &second(Some("forged".to_owned()), Some(yes())),
                &CancellationToken::new(),
                (&question(), None),
                &subject
            )
            .await
    ));
    assert!(asked_again(
        consent.ask(&second(None, Some(yes())), &CancellationToken::new(), (&question(), None), &subject).await
    ));
    let other_process = new();
    assert!(asked_again(
        other_process
            .ask(&second(Some(state.clone()), Some(yes())), &CancellationToken::new(), (&question(), None), &subject)
            .await
    ));
    let word = consent
        .ask(&second(Some(state.clone()), Some(yes())), &CancellationToken::new(), (&question(), None), &subject)
        .await;
    assert!(
        matches!(word, Ok(ConsentOutcome::Yes { then: Some(then) }) if same(&then.seen, "s") && !same(&then.seen, "t"))
    );
    assert!(
        asked_again(
            consent
                .ask(&second(Some(state), Some(yes())), &CancellationToken::new(), (&question(), None), &subject)
                .await
        ),
        "used twice"
    );
}
