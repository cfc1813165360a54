//! Tests of `sessions.rs`. They have their own file, because one file with both would be too long.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;

use super::*;
use crate::mcp::transport::http_response::kept_to_the_end;

fn owner(name: &str) -> Caller {
    Caller { principal: name.to_owned(), ..Caller::local() }
}

/// Somebody with these scopes.
fn sender(name: &str, scopes: &[Scope]) -> MessageSender {
    MessageSender { caller: owner(name), scopes: scopes.iter().copied().collect() }
}

/// Sessions of which this many are open for each of these; what keeps them alive comes back, too.
async fn opened(sessions: &Arc<Sessions>, name: &str, count: usize) -> (Vec<String>, Vec<impl Sized + use<>>) {
    let (mut ids, mut alive) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let opening = sessions.open(owner(name)).await.map_err(|_| ()).expect("a place");
        let (id, transport) = sessions.manager.create_session().await.expect("a session");
        opening.done(&id);
        ids.push(id.to_string());
        alive.push(transport);
    }
    (ids, alive)
}

fn sessions(each: usize, idle: u64) -> Arc<Sessions> {
    let manager = Arc::new(LocalSessionManager::default());
    Sessions::new(each, Duration::from_secs(idle), manager)
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_after_its_silence_and_not_while_it_is_used() {
    let sessions = sessions(16, 3600);
    let (ids, _alive) = opened(&sessions, "ana", 2).await;
    let listened =
        sessions.enter(&ids[0], &sender("ana", &[]), SessionInput::Listener).await.map_err(|_| ()).expect("in");
    tokio::time::sleep(Duration::from_secs(3590)).await;
    assert_eq!(sessions.count().await, 2);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!sessions.lives(&ids[1], &owner("ana")).await && sessions.lives(&ids[0], &owner("ana")).await);
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    assert!(sessions.lives(&ids[0], &owner("ana")).await, "somebody listens");
    drop(listened);
    tokio::time::sleep(Duration::from_secs(3590)).await;
    assert_eq!(sessions.count().await, 1);
    tokio::time::sleep(Duration::from_secs(3620)).await;
    assert_eq!((sessions.count().await, sessions.state().open.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_has_too_many_loses_the_one_that_rested_longest_and_nobody_elses() {
    let sessions = sessions(3, 3600);
    let (theirs, _alive) = opened(&sessions, "ben", 1).await;
    tokio::time::sleep(Duration::from_secs(400)).await;
    let (ids, _alive_too) = opened(&sessions, "ana", 3).await;
    let used = sessions.enter(&ids[0], &sender("ana", &[]), SessionInput::Other).await.map_err(|_| ()).expect("in");
    tokio::time::sleep(REST - Duration::from_secs(1)).await;
    assert!(sessions.open(owner("ana")).await.is_err(), "none has rested for long");
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(sessions.enter(&ids[1], &sender("ana", &[]), SessionInput::Other).await.map_err(|_| ()).expect("in"));
    let (fresh, _alive_as_well) = opened(&sessions, "ana", 1).await;
    for (id, name, lives) in
        [(&ids[0], "ana", true), (&ids[1], "ana", true), (&ids[2], "ana", false), (&fresh[0], "ana", true)]
    {
        assert_eq!(sessions.lives(id, &owner(name)).await, lives, "{id}");
    }
    assert!(sessions.lives(&theirs[0], &owner("ben")).await && sessions.open(owner("ana")).await.is_err());
    drop(used);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_in_use_until_its_answer_has_gone_or_its_request_has_ended() {
    let sessions = sessions(16, 3600);
    let (ids, _alive) = opened(&sessions, "ana", 1).await;
    let id = serde_json::json!("same");
    let enter = async || sessions.enter(&ids[0], &sender("ana", &[]), SessionInput::Request(&id)).await;
    let place = enter().await.map_err(|_| ()).expect("in");
    assert_eq!(enter().await.err().map(|answer| answer.status()), Some(StatusCode::BAD_REQUEST));
    let other = serde_json::json!(1);
    let other = sessions.enter(&ids[0], &sender("ana", &[]), SessionInput::Request(&other)).await;
    assert!(other.is_ok());
    // Its client goes: what it waited for comes a minute later.
    let late = futures::stream::once(async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok::<_, std::convert::Infallible>(Frame::data(Bytes::new()))
    });
    let answer = Response::new(BodyExt::boxed(http_body_util::StreamBody::new(Box::pin(late))));
    drop(kept_to_the_end(answer, place));
    assert!(enter().await.is_err());
    tokio::time::sleep(Duration::from_secs(61)).await;
    let place = enter().await.map_err(|_| ()).expect("in");
    let whole = crate::mcp::transport::http_response::text(StatusCode::OK, "text/plain", "x");
    drop(kept_to_the_end(whole, place).into_body().collect().await);
    assert!(enter().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_session_is_its_callers_and_each_token_counts_for_its_own_message() {
    use Scope::{NumbersPurchase, NumbersRead};
    let sessions = sessions(16, 3600);
    let (ids, _alive) = opened(&sessions, "ana", 1).await;
    let (reads, buys) = (sender("ana", &[NumbersRead]), sender("ana", &[NumbersRead, NumbersPurchase]));
    let status = async |sender: &MessageSender, comes: SessionInput<'_>| {
        sessions.enter(&ids[0], sender, comes).await.err().map(|answer| answer.status())
    };
    let (one, two) = (serde_json::json!(1), serde_json::json!(2));
    let read = sessions.enter(&ids[0], &reads, SessionInput::Request(&one)).await;
    assert_eq!((status(&buys, SessionInput::Answer).await, status(&reads, SessionInput::Answer).await), (None, None));
    let bought = sessions.enter(&ids[0], &buys, SessionInput::Request(&two)).await;
    assert!(read.is_ok() && bought.is_ok());
    // A question of the call by the wider token is no business of the narrower one.
    assert_eq!(status(&reads, SessionInput::Answer).await, Some(StatusCode::FORBIDDEN));
    assert_eq!(status(&buys, SessionInput::Answer).await, None);
    drop(bought);
    assert_eq!(status(&reads, SessionInput::Answer).await, None, "that call has ended");
    // What it was answered is not told again to the narrower one, which may listen to what comes.
    assert_eq!(status(&reads, SessionInput::Resumer).await, Some(StatusCode::FORBIDDEN));
    assert_eq!(
        (status(&buys, SessionInput::Resumer).await, status(&reads, SessionInput::Listener).await),
        (None, None)
    );
    for comes in [
        SessionInput::Answer,
        SessionInput::Resumer,
        SessionInput::Listener,
        SessionInput::Request(&one),
        SessionInput::Other,
    ] {
        let ben = sender("ben", &Scope::ALL);
        assert_eq!(status(&ben, comes).await, Some(StatusCode::NOT_FOUND));
    }
}
