//! Tests what the sandbox keeps when it is stopped or shared, and how it stops.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::sandbox::tests::fixture::{
    Faults, KEY, LIST, Sandbox, SandboxOptions, SandboxStore, fresh, raw, reset, start,
};

#[tokio::test]
async fn what_was_answered_survives_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let kept = || SandboxStore::Directory(home.path().to_owned());
    let sandbox = start(kept(), &["pending_ms=700"]).await;
    assert_eq!(sandbox.buy("+12125550100").await.0, 200);
    sandbox.stop().await;

    let sandbox = start(kept(), &[]).await;
    assert_eq!(sandbox.row("+12125550100").await.unwrap()["status"], "pending");
    tokio::time::sleep(Duration::from_millis(750)).await;
    assert_eq!(sandbox.row("+12125550100").await.unwrap()["status"], "active");
    sandbox.stop().await;
    assert!(reset(home.path()).unwrap());
    let sandbox = start(kept(), &[]).await;
    assert!(sandbox.row("+12125550100").await.is_none());
}

#[tokio::test]
async fn a_reset_under_a_running_one_forgets_and_loses_nothing_later() {
    let home = tempfile::tempdir().unwrap();
    assert!(!reset(home.path()).unwrap());
    let running = start(SandboxStore::Directory(home.path().to_owned()), &[]).await;
    assert_eq!(running.buy("+12125550100").await.0, 200);
    assert!(reset(home.path()).unwrap());
    assert!(running.row("+12125550100").await.is_none());
    assert_eq!(running.buy("+12125550101").await.0, 200);
    let other = start(SandboxStore::Directory(home.path().to_owned()), &[]).await;
    assert!(other.row("+12125550101").await.is_some() && other.row("+12125550100").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_on_one_file_agree_and_sell_each_number_once() {
    let home = tempfile::tempdir().unwrap();
    let kept = || SandboxStore::Directory(home.path().to_owned());
    let (one, two) = tokio::join!(start(kept(), &[]), start(kept(), &[]));
    let (one, two) = (&one, &two);
    for line in 100..110 {
        let number = format!("+12125550{line}");
        let (first, second) = tokio::join!(one.buy(&number), two.buy(&number));
        let mut statuses = [first.0, second.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "{number}");
        assert_eq!(one.row(&number).await, two.row(&number).await);
    }
}

#[tokio::test]
async fn it_stops_within_its_grace_and_when_dropped() {
    let sandbox = fresh(&["hang=list"]).await;
    let address = sandbox.address();
    let hanging = tokio::spawn(raw(
        address,
        format!("GET /api/public/v1{LIST} HTTP/1.1\r\nAuthorization: Bearer {KEY}").leak(),
        "",
    ));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    sandbox.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(hanging.await.unwrap(), "");
    assert!(TcpStream::connect(address).await.is_err());

    let sandbox = fresh(&[]).await;
    let address = sandbox.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(sandbox);
    let mut nothing = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(1), idle.read_to_end(&mut nothing)).await;
    assert!(end.is_ok(), "an idle connection is closed");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_place_that_is_taken_is_named() {
    let sandbox = fresh(&[]).await;
    let options = SandboxOptions {
        listen: sandbox.address(),
        store: SandboxStore::Memory,
        faults: Faults::default(),
        ledger: None,
    };
    let refused = Sandbox::start(options).await.unwrap_err();
    assert!(refused.to_string().contains(&sandbox.address().to_string()), "{refused}");
}
