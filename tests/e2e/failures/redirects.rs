//! Redirects: the one that is followed, and all others, which are errors.

use serde_json::json;

use super::account::busy;
use crate::support::era::Era;
use crate::support::fake_truedy::{AGENTS, PREFIX, Play, Reply, SEARCH, Seen, Upstream};
use crate::support::program::{KEY, server};
use crate::support::raw_client::Wire;

#[test]
fn agents_with_a_slash_are_fetched_once_when_truedy_says_so() {
    for status in [307, 308] {
        for absolute in [false, true] {
            let upstream = busy();
            let location = if absolute {
                format!("{}/agents/?limit=50&offset=0", upstream.base_url())
            } else {
                format!("{PREFIX}/agents/")
            };
            upstream.always(AGENTS, Play::Answer(Reply::redirect(status, &location)));
            upstream.on("GET /agents/", |seen, account| {
                let plain = Seen { path: "/agents".to_owned(), ..seen.clone() };
                Play::Answer(account.usual(&plain))
            });
            let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
            let called = wire.call("list_agents", json!({}));
            assert_eq!(called.object()["agents"].as_array().map(Vec::len), Some(2), "{location}: {}", called.0);
            let seen = upstream.seen();
            assert_eq!((seen.len(), upstream.count("GET /agents/")), (2, 1));
            assert_eq!(
                (&seen[0].query, &seen[1].query),
                (&"limit=50&offset=0".to_owned(), &"limit=50&offset=0".to_owned())
            );
            assert_eq!(seen[1].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        }
    }
}

#[test]
fn every_other_redirect_is_an_error_and_the_other_host_hears_nothing() {
    let elsewhere = Upstream::start();
    let there = elsewhere.origin();
    let same = PREFIX;
    for (status, location) in [
        (301, format!("{same}/agents/")),
        (302, format!("{same}/agents/")),
        (303, format!("{same}/agents/")),
        (307, format!("{there}{same}/agents/")),
        (308, format!("{there}{same}/agents/")),
        (307, format!("//{}{same}/agents/", there.trim_start_matches("http://"))),
        (307, format!("{same}/agents/../agents//")),
        (307, format!("{same}/agents")),
        (307, format!("{same}/agents/?limit=1")),
        (307, format!("{same}/agents/all")),
        (307, "/login/".to_owned()),
        (307, "https:agents/".to_owned()),
        (307, String::new()),
    ] {
        let upstream = busy();
        upstream.always(AGENTS, Play::Answer(Reply::redirect(status, &location)));
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let called = wire.call("list_agents", json!({}));
        assert_eq!(called.status(), "bad_upstream_response", "{status} {location}: {}", called.0);
        assert_eq!(upstream.seen().len(), 1, "{status} {location}");
    }
    // With a user name in it the address is another one.
    let upstream = busy();
    let named = upstream.base_url().replace("http://", "http://user@");
    upstream.always(AGENTS, Play::Answer(Reply::redirect(307, &format!("{named}/agents/"))));
    upstream.always("GET /agents/", Play::Answer(Reply::redirect(307, &format!("{same}/agents//"))));
    upstream.always(SEARCH, Play::Answer(Reply::redirect(307, &format!("{same}/telephony/numbers/search/"))));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    assert_eq!(wire.call("list_agents", json!({})).status(), "bad_upstream_response");
    assert_eq!(wire.call("search_numbers", json!({})).status(), "bad_upstream_response", "a POST is never redirected");
    assert_eq!(upstream.seen().len(), 2);
    // The one that is followed is followed once.
    upstream.always(AGENTS, Play::Answer(Reply::redirect(307, &format!("{same}/agents/"))));
    assert_eq!(wire.call("list_agents", json!({})).status(), "bad_upstream_response");
    assert_eq!(upstream.seen().len(), 4);
    assert_eq!(elsewhere.connections(), 0);
}
