//! Who comes in by a bearer token, and what everybody else is told.

use serde_json::json;

use crate::served::Served;
use crate::upstream::{CREDENTIALS, Upstream};
use crate::wire::KEY;

#[tokio::test]
async fn the_token_of_the_run_opens_and_is_never_passed_on() {
    let upstream = Upstream::start();
    let server = Served::on(&upstream, &[]).await;
    let token = server.token();
    assert_eq!(server.call(&token, "list_credentials", json!({})).await["status"], "ok");
    assert_eq!(upstream.count(CREDENTIALS), 1);
    for seen in upstream.seen() {
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert!(!format!("{seen:?}").contains(&token), "{seen:?}");
    }
    assert_eq!(server.tools(&[("authorization", &format!("Bearer {token}"))]).await.len(), 12);
}
