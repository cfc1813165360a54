//! What a token is good for, and what a request takes from that: tools are hidden and refused alike; nothing widens.

use serde_json::{Value, json};

use super::callers::{Line, bearer, modern};
use super::tenancy::{Setup, Tenancy, for_one_tenant_and_many};
use crate::support::era::{LEGACY, MODERN};
use crate::support::expected::{self, ExpectedTool, SCOPES, TOOLS};
use crate::support::fake_truedy::{CREDENTIALS, LIST};
use crate::support::http_client::{Served, message};

/// The scopes of this set, one bit each.
fn held(set: u32) -> Vec<&'static str> {
    (0..SCOPES.len()).filter(|bit| set & (1 << bit) != 0).map(|bit| SCOPES[bit]).collect()
}

/// A token whose scopes give no tool is refused at whatever it asks.
async fn assert_good_for_nothing(served: &Served, token: &str) {
    let answer = served.call_with(&[("authorization", &bearer(token))], "list_numbers", json!({})).await;
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(challenge.contains(&format!("scope=\"{}\"", SCOPES.join(" "))), "{challenge}");
    served.until_it_says("its scopes give no tool under the policy in force").await;
    assert!(!served.stderr().contains(token));
}

for_one_tenant_and_many!(every_set_of_scopes_shows_its_tools_and_refuses_all_others_with_a_step_up_challenge);
async fn every_set_of_scopes_shows_its_tools_and_refuses_all_others_with_a_step_up_challenge(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let sets: Vec<(Vec<&str>, String)> =
        (0..64_u32).map(|set| (held(set), setup.token(&format!("p{set}"), &held(set)))).collect();
    let served = setup.serve(&[]).await;
    for (held, token) in &sets {
        if held.is_empty() {
            assert_good_for_nothing(&served, token).await;
            continue;
        }
        assert_eq!(served.tools(&[("authorization", &bearer(token))]).await, expected::opened_by(held), "{held:?}");
        let mut line = Line::open(&served, token).await;
        for ExpectedTool { name: tool, scope, .. } in TOOLS.iter().filter(|tool| !held.contains(&tool.scope)) {
            let answer = line.call(tool, &json!({})).await;
            assert_eq!(answer.status, 403, "{held:?} {tool}: {answer:?}");
            // What the token has is asked for again: whoever asks for the rest alone would lose it.
            let asked: Vec<&str> = SCOPES.into_iter().filter(|one| held.contains(one) || one == scope).collect();
            let asked = asked.join(" ");
            let challenge = format!("Bearer realm=\"truedy-mcp\", error=\"insufficient_scope\", scope=\"{asked}\"");
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{held:?} {tool}");
            let body = answer.json();
            assert_eq!((&body["id"], &body["error"]["code"]), (&json!(1), &json!(403)), "{held:?} {tool}: {body}");
        }
    }
    setup.assert_nothing_sent();
    // What the scopes are for is reached.
    for (held, token) in &sets {
        let mut line = Line::open(&served, token).await;
        for tool in expected::opened_by(held) {
            let answer = line.call(tool, &json!({})).await;
            assert_eq!(answer.status, 200, "{held:?} {tool}: {answer:?}");
            assert_ne!(answer.json()["result"]["structuredContent"]["status"], "policy_denied", "{held:?} {tool}");
        }
    }
    let upstream = &setup.upstream;
    for (set, tool, route) in [(1, "list_numbers", LIST), (1 << 5, "list_credentials", CREDENTIALS)] {
        let before = upstream.count(route);
        assert_eq!(served.call(&sets[set].1, tool, json!({})).await["status"], "ok");
        assert_eq!(upstream.count(route), before + 1, "{tool}");
    }
    assert_eq!(upstream.changes(), 0);
    setup.assert_apart();
}

for_one_tenant_and_many!(the_body_says_what_is_called_and_no_header_says_otherwise);
async fn the_body_says_what_is_called_and_no_header_says_otherwise(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let number = setup.upstream.account(|account| account.add("+14155550150", true));
    let (reads, all) = (setup.token("reads", &["numbers:read"]), setup.person("all"));
    let served = setup.serve(&[]).await;
    let release = json!({ "name": "release_number", "arguments": { "number_id": number, "confirm": true } });
    let list = json!({ "name": "list_numbers", "arguments": {} });
    let as_text =
        json!({ "name": "release_number", "arguments": json!({ "number_id": number, "confirm": true }).to_string() });
    let legacy = |params: &Value| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let named = |method, name| vec![("mcp-protocol-version", MODERN), ("mcp-method", method), ("mcp-name", name)];
    let mut line = Line::open(&served, &reads).await;
    // In the newer revision and in the older ones, whatever the headers say and however the arguments are written.
    for (headers, body) in [
        (modern("list_numbers").to_vec(), message("tools/call", release.clone())),
        (modern("release_number").to_vec(), message("tools/call", release.clone())),
        (named("tools/list", "release_number"), message("tools/call", release.clone())),
        (named("tools/list", "list_numbers"), message("tools/call", release.clone())),
        (vec![("mcp-protocol-version", LEGACY)], legacy(&release)),
        (vec![("mcp-protocol-version", LEGACY), ("mcp-name", "list_numbers")], legacy(&release)),
        (vec![], legacy(&release)),
        (modern("release_number").to_vec(), message("tools/call", as_text.clone())),
        (vec![], legacy(&as_text)),
        (vec![("mcp-method", "tools/list"), ("mcp-protocol-version", MODERN)], message("tools/call", release.clone())),
    ] {
        let answer = line.ask(&headers, &body).await;
        assert_eq!(answer.status, 403, "{headers:?} {body}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], 403, "{headers:?} {body}: {answer:?}");
    }
    // Where the caller may do both, a header that contradicts the body is an error, and nothing is done.
    let mut line = Line::open(&served, &all).await;
    for (headers, params) in [
        (named("tools/call", "list_numbers"), &release),
        (named("tools/list", "release_number"), &release),
        (named("tools/list", "list_numbers"), &release),
        (named("tools/call", "release_number"), &list),
    ] {
        let answer = line.ask(&headers, &message("tools/call", params.clone())).await;
        let code = &answer.json()["error"]["code"];
        assert_eq!((answer.status, code), (400, &json!(-32020)), "{headers:?}: {answer:?}");
    }
    // Two of them could be believed by two readers.
    for name in ["mcp-name", "mcp-method", "mcp-protocol-version", "mcp-session-id", "content-type"] {
        let value = if name == "content-type" { "application/json" } else { "release_number" };
        let headers = [("authorization", &*bearer(&all)), (name, value), (name, value)];
        let answer = served.post(&headers, message("tools/call", release.clone())).await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        assert!(answer.body.contains(&format!("the header {name} came twice")), "{answer:?}");
    }
    setup.assert_nothing_sent();
    assert!(setup.upstream.account(|account| account.has("+14155550150")));
}

for_one_tenant_and_many!(what_one_reader_could_take_for_another_tool_is_not_passed_on);
async fn what_one_reader_could_take_for_another_tool_is_not_passed_on(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let reads = setup.token("reads", &["numbers:read"]);
    let served = setup.serve(&[]).await;
    let mut line = Line::open(&served, &reads).await;
    let release = r#""name":"release_number","arguments":{"number_id":"+14155550123","confirm":true}"#;
    let called = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}"#);
    let (plain, listed) = (called(release), called(r#""name":"list_numbers","arguments":{}"#));
    let named_twice = called(r#""name":"list_numbers","name":"release_number","arguments":{}"#);
    let method_twice = plain.replace(r#""method":"#, r#""method":"tools/list","method":"#);
    let escaped = plain.replace(r#""method":"tools/call""#, r#""m\u0065thod":"tools\/call""#);
    let name_escaped =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"n\u0061me":"rele\u0061se_number"}}"#;
    let legacy = &[("mcp-protocol-version", LEGACY)][..];
    for (headers, body, expected) in [
        (&[][..], called(&format!(r#""name":"list_numbers",{release}"#)), 400),
        (&[], called(&format!(r#"{release},"name":"list_numbers""#)), 400),
        (&[], called(&format!(r#"{release},"n\u0061me":"list_numbers""#)), 400),
        (&[], method_twice.clone(), 400),
        (&[], plain.replace(r#""params":"#, r#""params":{},"params":"#), 400),
        (legacy, named_twice, 400),
        (legacy, method_twice, 400),
        // A batch is of 2025-03-26, which is what a request without a version speaks.
        (legacy, format!("[{plain}]"), 400),
        (&[], format!("[{plain}]"), 403),
        (&[], format!("[{listed},{}]", plain.replace(r#""id":1"#, r#""id":2"#)), 403),
        (&[], escaped, 403),
        (&[], name_escaped.to_owned(), 403),
        (&[], format!("  {plain}  "), 403),
    ] {
        let written = line.written("POST", "/mcp", headers, &body);
        line.send(written).await;
        let answer = line.answer().await.expect("an answer");
        assert_eq!(answer.status, expected, "{headers:?} {body}: {answer:?}");
    }
    setup.assert_nothing_sent();
}

/// A header that was sent, once or more often.
fn sent<'a>(token: &'a str, name: &'a str, values: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![("authorization", token)];
    headers.extend(values.iter().map(|value| (name, *value)));
    headers
}

for_one_tenant_and_many!(a_request_for_reading_only_is_read_generously_and_never_widens);
async fn a_request_for_reading_only_is_read_generously_and_never_widens(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let all = bearer(&setup.person("all"));
    let few = bearer(&setup.token("few", &["numbers:read", "numbers:release"]));
    let served = setup.serve(&["--exclude-tools", "import_number,list_agents"]).await;
    let offered = |scopes: &[&str], reads: bool| {
        let left = expected::names_without(&["import_number", "list_agents"]);
        expected::names_where(|tool| {
            left.contains(&tool.name) && scopes.contains(&tool.scope) && (tool.hints.read_only || !reads)
        })
    };
    for (values, narrows) in [
        (&[][..], false),
        (&["true"], true),
        (&["TRUE"], true),
        (&[" true "], true),
        (&["1"], true),
        (&["yes"], true),
        (&["on"], true),
        (&["maybe"], true),
        (&["false", "true"], true),
        (&["true", "false"], true),
        (&["false, true"], true),
        (&["false"], false),
        (&["False"], false),
        (&["0"], false),
        (&["no"], false),
        (&[""], false),
        (&["false", "0"], false),
    ] {
        for (token, scopes) in [(&all, &SCOPES[..]), (&few, &["numbers:read", "numbers:release"])] {
            let shown = served.tools(&sent(token, "x-mcp-readonly", values)).await;
            assert_eq!(shown, offered(scopes, narrows), "{scopes:?} {values:?}");
        }
        let answer = served.call_with(&sent(&all, "x-mcp-readonly", values), "purchase_number", json!({})).await;
        let answer = &answer.json()["result"]["structuredContent"];
        if narrows {
            assert_eq!(answer["status"], "invalid_argument", "{answer}");
        }
    }
    setup.assert_nothing_sent();
}

for_one_tenant_and_many!(a_request_can_name_the_tools_it_wants_and_never_gets_more);
async fn a_request_can_name_the_tools_it_wants_and_never_gets_more(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let all = bearer(&setup.person("all"));
    let reads = bearer(&setup.token("reads", &["numbers:read"]));
    let few = bearer(&setup.token("few", &["numbers:read", "numbers:release"]));
    let served = setup.serve(&["--exclude-tools", "import_number,get_webhook_url"]).await;
    for (token, values, due) in [
        (&all, &["list_numbers"][..], &["list_numbers"][..]),
        (&all, &[" list_agents ,list_numbers,"], &["list_numbers", "list_agents"]),
        (&all, &["list_agents", "list_numbers"], &["list_numbers", "list_agents"]),
        // Neither what the operator took out, nor what the token is not good for, nor what does not exist.
        (&all, &["import_number"], &[]),
        (&all, &["no_such_tool"], &[]),
        (&all, &["*"], &[]),
        (&all, &[""], &[]),
        (&reads, &["release_number,list_numbers"], &["list_numbers"]),
        (&reads, &["release_number"], &[]),
        (&few, &["list_numbers"], &["list_numbers"]),
        (&few, &["list_numbers, release_number"], &["list_numbers", "release_number"]),
        (&few, &["list_numbers,purchase_number,get_webhook_url,nonsense"], &["list_numbers"]),
        (&few, &["*"], &[]),
        (&few, &[""], &[]),
        (&few, &[","], &[]),
        (&few, &["LIST_NUMBERS"], &[]),
    ] {
        assert_eq!(served.tools(&sent(token, "x-mcp-tools", values)).await, due, "{values:?}");
    }
    for (token, values, due) in [
        (&all, [("x-mcp-readonly", "1"), ("x-mcp-tools", "purchase_number")], &[][..]),
        (&few, [("x-mcp-readonly", "true"), ("x-mcp-tools", "release_number,list_numbers")], &["list_numbers"]),
    ] {
        let headers = [&[("authorization", token.as_str())][..], &values].concat();
        assert_eq!(served.tools(&headers).await, due, "{values:?}");
    }
    setup.assert_nothing_sent();
}

for_one_tenant_and_many!(what_a_request_hides_is_refused_too_and_says_by_what);
async fn what_a_request_hides_is_refused_too_and_says_by_what(tenancy: Tenancy) {
    let mut setup = Setup::new(tenancy);
    let all = bearer(&setup.person("all"));
    let reads = bearer(&setup.token("reads", &["numbers:read"]));
    let few = bearer(&setup.token("few", &["numbers:read", "numbers:release"]));
    let served = setup.serve(&["--exclude-tools", "import_number"]).await;
    let buy = json!({ "phone_number": "+14155550160", "confirm": true });
    let release = json!({ "number_id": "+14155550123", "confirm": true });
    for (token, tool, arguments) in [(&all, "purchase_number", &buy), (&few, "release_number", &release)] {
        for (header, value, rule) in
            [("x-mcp-readonly", "true", "x_mcp_readonly"), ("x-mcp-tools", "list_numbers", "x_mcp_tools")]
        {
            let answer = served.call_with(&sent(token, header, &[value]), tool, arguments.clone()).await.json();
            let answer = &answer["result"]["structuredContent"];
            assert_eq!((&answer["status"], &answer["rule"]), (&json!("policy_denied"), &json!(rule)), "{answer}");
        }
    }
    // What the operator or the token does not allow, no header brings back.
    let header = [("authorization", all.as_str()), ("x-mcp-tools", "import_number"), ("x-mcp-readonly", "false")];
    let import = json!({ "phone_number": "+14155550160", "provider_type": "telnyx", "api_key": "KEY0123456789" });
    let answer = served.call_with(&header, "import_number", import).await.json();
    assert_eq!(answer["result"]["structuredContent"]["status"], "policy_denied", "{answer}");
    let header = sent(&reads, "x-mcp-tools", &["purchase_number"]);
    assert_eq!(served.call_with(&header, "purchase_number", buy).await.status, 403);
    setup.assert_nothing_sent();
    // What is named is carried out.
    let header = sent(&few, "x-mcp-tools", &["list_numbers"]);
    assert_eq!(served.call_with(&header, "list_numbers", json!({})).await.status, 200);
    assert_eq!((setup.upstream.count(LIST), setup.upstream.changes()), (1, 0));
    setup.assert_apart();
}
