//! What a token is good for, and what a request takes from that: tools are hidden and refused alike; nothing widens.

use serde_json::{Value, json};

use super::people::{Files, Line, bearer, modern};
use crate::support::era::{LEGACY, MODERN};
use crate::support::expected::{self, ExpectedTool, SCOPES, TOOLS};
use crate::support::fake_truedy::{ASSIGN, IMPORT, PURCHASE, RELEASE, UNASSIGN, Upstream};
use crate::support::http_client::message;

fn changes(upstream: &Upstream) -> usize {
    [PURCHASE, IMPORT, ASSIGN, UNASSIGN, RELEASE].iter().map(|route| upstream.count(route)).sum()
}

#[tokio::test]
async fn every_set_of_scopes_shows_its_tools_and_refuses_all_others() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let sets: Vec<(Vec<&str>, String)> = (0..64_u32)
        .map(|set| {
            let held: Vec<&str> = (0..6).filter(|bit| set & (1 << bit) != 0).map(|bit| SCOPES[bit]).collect();
            let token = files.token(&format!("p{set}"), "default", &held);
            (held, token)
        })
        .collect();
    let served = files.serve(&upstream, &[]).await;
    for (held, token) in &sets {
        if held.is_empty() {
            let answer = served.call_with(&[("authorization", &bearer(token))], "list_numbers", json!({})).await;
            let challenge = answer.header("www-authenticate").expect("a challenge");
            assert_eq!(answer.status, 403, "{answer:?}");
            assert!(challenge.contains(&format!("scope=\"{}\"", SCOPES.join(" "))), "{challenge}");
            served.until_it_says("its scopes give no tool under the policy in force").await;
            assert!(!served.stderr().contains(token));
            continue;
        }
        let shown = served.tools(&[("authorization", &bearer(token))]).await;
        assert_eq!(shown, expected::opened_by(held), "{held:?}");
        let mut line = Line::open(&served, token).await;
        for ExpectedTool { name: tool, scope, .. } in TOOLS {
            let answer = line.call(tool, &json!({})).await;
            if held.contains(&scope) {
                assert_eq!(answer.status, 200, "{held:?} {tool}: {answer:?}");
                assert_ne!(answer.json()["result"]["structuredContent"]["status"], "policy_denied", "{held:?} {tool}");
                continue;
            }
            assert_eq!(answer.status, 403, "{held:?} {tool}: {answer:?}");
            let challenge = answer.header("www-authenticate").expect("a challenge");
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            let asked: Vec<&str> = SCOPES.into_iter().filter(|one| held.contains(one) || *one == scope).collect();
            assert!(challenge.contains(&format!("scope=\"{}\"", asked.join(" "))), "{challenge}");
            assert_eq!(answer.json()["id"], 1);
        }
    }
    assert_eq!(changes(&upstream), 0);
}

#[tokio::test]
async fn the_body_says_what_is_called_and_no_header_says_otherwise() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let number = upstream.account(|account| account.add("+14155550150", true));
    let reads = files.token("reads", "default", &["numbers:read"]);
    let all = files.person("all");
    let served = files.serve(&upstream, &[]).await;
    let release = json!({ "name": "release_number", "arguments": { "number_id": number, "confirm": true } });
    let list = json!({ "name": "list_numbers", "arguments": {} });
    let as_text =
        json!({ "name": "release_number", "arguments": json!({ "number_id": number, "confirm": true }).to_string() });
    let legacy = |params: &Value| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut line = Line::open(&served, &reads).await;
    // In the newer revision and in the older ones, whatever the headers say and however the arguments are written.
    for (headers, body) in [
        (modern("list_numbers").to_vec(), message("tools/call", release.clone())),
        (modern("release_number").to_vec(), message("tools/call", release.clone())),
        (vec![("mcp-protocol-version", LEGACY)], legacy(&release)),
        (vec![("mcp-protocol-version", LEGACY), ("mcp-name", "list_numbers")], legacy(&release)),
        (vec![], legacy(&release)),
        (modern("release_number").to_vec(), message("tools/call", as_text.clone())),
        (vec![], legacy(&as_text)),
        (vec![("mcp-method", "tools/list"), ("mcp-protocol-version", MODERN)], message("tools/call", release.clone())),
    ] {
        let answer = line.ask(&headers, &body).await;
        assert_eq!(answer.status, 403, "{headers:?} {body}: {answer:?}");
    }
    // Written so that a careless reader sees another tool.
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_numbers","name":"release_number","arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"release_number"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"release_number"}}]"#,
    ] {
        let written = line.written("POST", "/mcp", &[("mcp-protocol-version", LEGACY)], body);
        line.send(written).await;
        assert_eq!(line.answer().await.expect("an answer").status, 400, "{body}");
    }
    let escaped = r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"n\u0061me":"rele\u0061se_number"}}"#;
    let written = line.written("POST", "/mcp", &[], escaped);
    line.send(written).await;
    assert_eq!(line.answer().await.expect("an answer").status, 403);
    // Where the caller may do both, a header that contradicts the body is an error, and nothing is done.
    let mut line = Line::open(&served, &all).await;
    for (header, params) in [("list_numbers", &release), ("release_number", &list)] {
        let answer = line.ask(&modern(header), &message("tools/call", params.clone())).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!((changes(&upstream), upstream.account(|account| account.has("+14155550150"))), (0, true));
}

#[tokio::test]
async fn a_request_narrows_what_it_may_do_and_never_widens_it() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let (all, reads) = (files.person("all"), files.token("reads", "default", &["numbers:read"]));
    let served = files.serve(&upstream, &["--exclude-tools", "import_number"]).await;
    let offered = expected::names_without(&["import_number"]);
    let bearer_all = bearer(&all);
    for (values, narrows) in [
        (&["true"][..], true),
        (&["TRUE"], true),
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
        let mut headers = vec![("authorization", bearer_all.as_str())];
        headers.extend(values.iter().map(|value| ("x-mcp-readonly", *value)));
        let shown = served.tools(&headers).await;
        assert_eq!(shown, if narrows { expected::reading() } else { offered.clone() }, "{values:?}");
        let answer = served.call_with(&headers, "purchase_number", json!({})).await;
        let answer = &answer.json()["result"]["structuredContent"];
        if narrows {
            assert_eq!(answer["status"], "invalid_argument", "{answer}");
        }
    }
    let bearer_reads = bearer(&reads);
    for (token, values, due) in [
        (&bearer_all, &["list_numbers"][..], &["list_numbers"][..]),
        (&bearer_all, &[" list_agents ,list_numbers,"], &["list_numbers", "list_agents"]),
        (&bearer_all, &["list_agents", "list_numbers"], &["list_numbers", "list_agents"]),
        (&bearer_all, &["import_number"], &[]),
        (&bearer_all, &["no_such_tool"], &[]),
        (&bearer_all, &["*"], &[]),
        (&bearer_all, &[""], &[]),
        (&bearer_reads, &["release_number,list_numbers"], &["list_numbers"]),
        (&bearer_reads, &["release_number"], &[]),
    ] {
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(values.iter().map(|value| ("x-mcp-tools", *value)));
        assert_eq!(served.tools(&headers).await, due, "{values:?}");
    }
    let both = [("authorization", bearer_all.as_str()), ("x-mcp-readonly", "1"), ("x-mcp-tools", "purchase_number")];
    assert!(served.tools(&both).await.is_empty());
    // What is hidden is refused, too, and says by what.
    let buy = json!({ "phone_number": "+14155550160", "confirm": true });
    for (header, rule) in
        [(("x-mcp-readonly", "true"), "x_mcp_readonly"), (("x-mcp-tools", "list_numbers"), "x_mcp_tools")]
    {
        let answer = served.call_with(&[("authorization", &bearer_all), header], "purchase_number", buy.clone()).await;
        let answer = answer.json()["result"]["structuredContent"].clone();
        assert_eq!((&answer["status"], &answer["rule"]), (&json!("policy_denied"), &json!(rule)), "{answer}");
    }
    // What the operator or the token does not allow, no header brings back.
    let header =
        [("authorization", bearer_all.as_str()), ("x-mcp-tools", "import_number"), ("x-mcp-readonly", "false")];
    let import = json!({ "phone_number": "+14155550160", "provider_type": "telnyx", "api_key": "KEY0123456789" });
    let answer = served.call_with(&header, "import_number", import).await.json();
    assert_eq!(answer["result"]["structuredContent"]["status"], "policy_denied", "{answer}");
    let header = [("authorization", bearer_reads.as_str()), ("x-mcp-tools", "purchase_number")];
    assert_eq!(served.call_with(&header, "purchase_number", buy).await.status, 403);
    assert_eq!(changes(&upstream), 0);
}
