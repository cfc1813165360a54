//! A Unix socket instead of an address: its owner's alone, put in the place of a dead one, and gone at the end.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::process::Signal;
use serde_json::json;
use tokio::net::UnixStream;

use crate::support::expected::TOOLS;
use crate::support::http_client::{Answer, Served, Talk, message, request};

async fn list(socket: &Path, headers: &[(&str, &str)]) -> Answer {
    let text = request("localhost", "POST", "/mcp", headers, &message("tools/list", json!({})).to_string());
    Talk::new(UnixStream::connect(socket).await.unwrap()).ask("POST", text).await
}

#[tokio::test]
async fn a_socket_is_served_to_its_owner_alone_with_all_that_guards_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("mcp.sock");
    let listen = format!("unix:{}", socket.display());
    let mut server = Served::start(&["--listen", &listen], &[]).await;
    assert_eq!(server.url(), format!("{listen}, path /mcp"));
    let about = fs::symlink_metadata(&socket).unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");

    let bearer = format!("Bearer {}", server.token());
    let token = ("authorization", bearer.as_str());
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let with = |more: &[(&'static str, &'static str)]| [&[token][..], &modern, more].concat();
    let answer = list(&socket, &with(&[])).await;
    assert_eq!(answer.json()["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()), "{answer:?}");
    assert_eq!(list(&socket, &modern).await.status, 401);
    assert_eq!(list(&socket, &with(&[("host", "evil.example")])).await.status, 403);
    assert_eq!(list(&socket, &with(&[("origin", "https://evil.example")])).await.status, 403);

    // A second server does not take its place.
    let (code, said) = Served::refused(&["--listen", &listen], &[]).await;
    assert!(code == 2 && said.contains("another server listens there"), "{said}");
    assert_eq!(list(&socket, &with(&[])).await.status, 200);

    server.signal(Signal::TERM);
    assert_eq!(server.wait().await, 0, "{}", server.stderr());
    assert!(!socket.exists(), "it is gone");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_to_is_replaced_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("mcp.sock");
    let listen = format!("unix:{}", socket.display());
    let arguments = ["--listen", listen.as_str(), "--no-auth-loopback"];
    let mut killed = Served::start(&arguments, &[]).await;
    killed.signal(Signal::KILL);
    assert_eq!(killed.wait().await, -9);
    assert!(socket.exists());
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let next = Served::start(&arguments, &[]).await;
    assert_eq!(list(&socket, &modern).await.status, 200);
    drop(next);

    fs::remove_file(&socket).unwrap();
    let other = dir.path().join("precious");
    fs::write(&other, "mine").unwrap();
    for place in ["file", "link"] {
        if place == "file" {
            fs::write(&socket, "mine").unwrap();
        } else {
            std::os::unix::fs::symlink(&other, &socket).unwrap();
        }
        let (code, said) = Served::refused(&arguments, &[]).await;
        assert!(code == 2 && said.contains("something that is no socket is there"), "{place}: {said}");
        assert_eq!(fs::read_to_string(&socket).unwrap(), "mine", "{place}");
        fs::remove_file(&socket).unwrap();
    }
    let nowhere = format!("unix:{}", dir.path().join("no/where/mcp.sock").display());
    let (code, said) = Served::refused(&["--listen", &nowhere], &[]).await;
    assert!(code == 2 && said.contains("cannot be listened on"), "{said}");
}
