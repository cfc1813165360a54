//! Sessions of the older revisions, where somebody tries to have more of them than allowed, or somebody else's.

use serde_json::{Value, json};

use super::bearer_tokens::tokens_for;
use crate::support::http_client::{Answer, Served};

/// A handshake that names this revision in its head, where there is one, and in its body.
async fn handshake(server: &Served, token: &str, head: Option<&str>, body: &str, more: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str()), ("mcp-method", "initialize")];
    headers.extend(head.map(|revision| ("mcp-protocol-version", revision)));
    headers.extend(more);
    let params =
        json!({ "protocolVersion": body, "capabilities": {}, "clientInfo": { "name": "e2e", "version": "1" } });
    server.post(&headers, json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })).await
}

async fn ping(server: &Served, token: &str, session: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers =
        [("authorization", bearer.as_str()), ("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")];
    let ping: Value = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
    server.post(&headers, ping).await.status
}

#[tokio::test]
async fn a_caller_has_at_most_sixteen_sessions_whatever_revision_the_handshake_names() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let tokens = tokens_for(&file, &[&["--principal", "ana"], &["--principal", "ben"]]);
    let server = Served::start(&["--sessions", "--tokens", file.to_str().unwrap()], &[]).await;
    for at in 0..24 {
        let (head, body) = match at % 3 {
            0 => (Some("2026-07-28"), "2026-07-28"),
            1 => (None, "2026-07-28"),
            _ => (Some("2025-11-25"), "2025-11-25"),
        };
        let answer = handshake(&server, &tokens[0], head, body, &[]).await;
        let (expected, has_session) = if at < 16 { (200, true) } else { (429, false) };
        assert_eq!(
            (answer.status, answer.header("mcp-session-id").is_some()),
            (expected, has_session),
            "{at}: {answer:?}"
        );
    }
    // Nobody else has fewer for that.
    assert_eq!(handshake(&server, &tokens[1], None, "2025-11-25", &[]).await.status, 200);
}

#[tokio::test]
async fn a_session_is_its_callers_whatever_revision_somebody_else_names() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let tokens = tokens_for(&file, &[&["--principal", "ana"], &["--principal", "ben"]]);
    let server = Served::start(&["--sessions", "--tokens", file.to_str().unwrap()], &[]).await;
    let opened = handshake(&server, &tokens[0], None, "2025-11-25", &[]).await;
    let session = opened.header("mcp-session-id").unwrap();
    assert_eq!((ping(&server, &tokens[0], session).await, ping(&server, &tokens[1], session).await), (200, 404));
    let bearer = format!("Bearer {}", tokens[1]);
    for revision in ["2024-11-05", "2025-03-26", "2025-11-25", "2026-07-28", "9999-12-31", ""] {
        let theirs = [("mcp-session-id", session)];
        let answer = handshake(&server, &tokens[1], Some(revision), revision, &theirs).await;
        // Refused, or a session of its own.
        let own = answer.header("mcp-session-id").is_some_and(|own| own != session);
        assert!(answer.status != 200 || own, "{revision}: {answer:?}");
        for method in ["GET", "DELETE"] {
            let headers = [
                ("authorization", bearer.as_str()),
                ("mcp-session-id", session),
                ("mcp-protocol-version", revision),
                ("accept", "text/event-stream"),
            ];
            let answer = server.send(method, "/mcp", &headers, "").await;
            assert!(matches!(answer.status, 400..=405), "{method} {revision}: {answer:?}");
        }
        assert_eq!(ping(&server, &tokens[0], session).await, 200, "it lives after {revision}");
    }
}
