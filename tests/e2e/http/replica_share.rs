//! What a replica may ask of Truedy: its share of what all of them may, for each tenant.

use serde_json::json;

use super::callers::Files;
use crate::support::expected::SCOPES;
use crate::support::fake_truedy::Upstream;
use crate::support::http_client::Served;
use crate::support::program::KEY;

/// How many requests of twenty reads, which need two each, reach Truedy.
async fn reach(served: &Served, token: &str, upstream: &Upstream) -> usize {
    let before = upstream.seen().len();
    for _ in 0..20 {
        let status = served.call(token, "list_numbers", json!({})).await["status"].clone();
        assert!(status == "ok" || status == "rate_limited", "{status}");
    }
    upstream.seen().len() - before
}

#[tokio::test]
async fn each_replica_takes_its_share_for_every_tenant_and_one_alone_takes_all() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let (ana, ben) = (files.token("ana", "acme", &SCOPES), files.token("ben", "beta", &SCOPES));
    let base = upstream.base_url();
    let tenants = format!(
        "[tenants.acme]\napi_key_env = \"KEY_OF_BOTH\"\nbase_url = \"{base}\"\n\
         [tenants.beta]\napi_key_env = \"KEY_OF_BOTH\"\nbase_url = \"{base}\"\nupstream_rpm = 40\n"
    );
    let key = [("KEY_OF_BOTH", KEY)];
    let alone = files.serve_tenants(&tenants, &["--upstream-rpm", "10"], &key).await;
    // One of ten and six of forty are kept for changes, and one person reads three quarters of the rest.
    assert_eq!((reach(&alone, &ana, &upstream).await, reach(&alone, &ben, &upstream).await), (6, 25));
    drop(alone);
    // Reading needs no journal, so there need be none.
    let (seal, nowhere) =
        (files.write("seal", &"0123456789abcdef".repeat(4)), "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable");
    let replica = ["--upstream-rpm", "10", "--replicas", "2", "--state-key-file", &seal, "--journal", nowhere];
    let served = files.serve_tenants(&tenants, &replica, &key).await;
    // Four fifths of ten and of forty, halved; one of four and two of sixteen are kept for changes; then three quarters.
    assert_eq!((reach(&served, &ana, &upstream).await, reach(&served, &ben, &upstream).await), (2, 10));
}
