//! Prompts, resources and completions over HTTP: each caller sees what its token is good for, and of its own account alone.

use serde_json::{Value, json};

use super::callers::{Files, bearer};
use crate::support::era::{LEGACY, MODERN};
use crate::support::expected::SCOPES;
use crate::support::fake_truedy::{AGENTS, LIST, Upstream};
use crate::support::http_client::{Served, message};

/// The two eras as their headers say them.
const ERAS: [&str; 2] = [LEGACY, MODERN];

/// One request of somebody; the whole answer of the protocol.
async fn ask(served: &Served, era: &str, token: &str, method: &str, params: Value) -> Value {
    let authorization = bearer(token);
    let named = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
    let mut headers = vec![("authorization", authorization.as_str()), ("mcp-protocol-version", era)];
    let message = if era == MODERN {
        headers.push(("mcp-method", method));
        if !named.is_empty() {
            headers.push(("mcp-name", &named));
        }
        message(method, params)
    } else {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
    };
    served.post(&headers, message).await.json()
}

async fn uris(served: &Served, era: &str, token: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (method, list, field) in
        [("resources/list", "resources", "uri"), ("resources/templates/list", "resourceTemplates", "uriTemplate")]
    {
        let answer = ask(served, era, token, method, json!({})).await;
        let listed = answer["result"][list].as_array().unwrap_or_else(|| panic!("{answer}"));
        all.extend(listed.iter().map(|one| one[field].as_str().unwrap().to_owned()));
    }
    all
}

async fn typed(served: &Served, era: &str, token: &str, template: &str, typed: &str) -> Value {
    let reference = json!({ "type": "ref/resource", "uri": template });
    let params = json!({ "ref": reference, "argument": { "name": "id", "value": typed } });
    let answer = ask(served, era, token, "completion/complete", params).await;
    assert!(answer["result"]["completion"]["values"].is_array(), "{answer}");
    answer["result"]["completion"]["values"].clone()
}

#[tokio::test]
async fn a_token_shows_and_reads_what_it_is_good_for() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.account(|account| account.add("+14155550123", true));
    let (all, buyer) = (files.person("all"), files.token("buyer", "default", &["numbers:purchase", "numbers:release"]));
    let served = files.serve(&upstream, &[]).await;
    for era in ERAS {
        let open = ["truedy://policy", "truedy://guides/byoc"];
        assert_eq!(uris(&served, era, &buyer).await, open, "{era}");
        let account = [
            "truedy://numbers",
            "truedy://numbers.csv",
            open[0],
            open[1],
            "truedy://numbers/{id}",
            "truedy://agents/{id}/numbers",
        ];
        assert_eq!(uris(&served, era, &all).await, account, "{era}");
        let not_found = if era == MODERN { -32602 } else { -32002 };
        for uri in ["truedy://numbers", "truedy://numbers/+14155550123", "truedy://agents/Front%20desk/numbers"] {
            let answer = ask(&served, era, &buyer, "resources/read", json!({ "uri": uri })).await;
            assert_eq!(
                (&answer["error"]["code"], &answer["error"]["data"]["uri"]),
                (&json!(not_found), &json!(uri)),
                "{answer}"
            );
            assert!(!answer.to_string().contains("scope"), "nothing is told of what there is: {answer}");
        }
        for template in ["truedy://numbers/{id}", "truedy://agents/{id}/numbers"] {
            assert_eq!(typed(&served, era, &buyer, template, "").await, json!([]), "{era} {template}");
        }
        let prompts = ask(&served, era, &buyer, "prompts/list", json!({})).await;
        assert_eq!(prompts["result"]["prompts"], json!([]), "{era}: no search, no list");
        let policy = ask(&served, era, &buyer, "resources/read", json!({ "uri": "truedy://policy" })).await;
        let policy = policy["result"]["contents"][0]["text"].as_str().unwrap().to_owned();
        assert!(policy.contains("offered to you: purchase_number, release_number."), "{policy}");
    }
    assert_eq!((upstream.count(LIST), upstream.count(AGENTS)), (0, 0), "nothing was read");
    for era in ERAS {
        let answer = ask(&served, era, &all, "resources/read", json!({ "uri": "truedy://numbers" })).await;
        assert!(
            answer["result"]["contents"][0]["text"].as_str().is_some_and(|text| text.contains("+14155550123")),
            "{answer}"
        );
        assert_eq!(typed(&served, era, &all, "truedy://numbers/{id}", "0123").await, json!(["+14155550123"]));
        let name = json!({ "name": "release_number_safely", "arguments": { "number": "+14155550123" } });
        let prompt = ask(&served, era, &all, "prompts/get", name).await;
        assert!(prompt["result"]["messages"][0]["content"]["text"].is_string(), "{prompt}");
    }
}

#[tokio::test]
async fn what_one_caller_typed_is_not_offered_to_another() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    upstream.account(|account| account.add("+14155550123", true));
    let whole = files.person("ana");
    let less: Vec<&str> = SCOPES.iter().copied().filter(|scope| *scope != "numbers:read").collect();
    let narrowed = files.token("ana", "default", &less);
    let other = files.person("ben");
    let served = files.serve(&upstream, &[]).await;
    let template = "truedy://numbers/{id}";
    assert_eq!(typed(&served, MODERN, &whole, template, "").await, json!(["+14155550123"]));
    assert_eq!(typed(&served, MODERN, &narrowed, template, "").await, json!([]), "the same caller with fewer rights");
    let desks = "truedy://agents/{id}/numbers";
    assert_eq!(typed(&served, MODERN, &whole, desks, "desk").await, json!(["Front desk"]));
    assert_eq!(typed(&served, MODERN, &narrowed, desks, "desk").await, json!([]), "of agents, too");
    upstream.account(|account| account.add("+14155550124", true));
    assert_eq!(typed(&served, MODERN, &whole, template, "").await, json!(["+14155550123"]), "still good enough");
    let both = json!(["+14155550123", "+14155550124"]);
    assert_eq!(typed(&served, MODERN, &other, template, "").await, both, "somebody else reads anew");
    assert_eq!(upstream.count(LIST), 2);
}

#[tokio::test]
async fn each_tenant_attaches_its_own_account() {
    let (first, second, mut files) = (Upstream::start(), Upstream::start(), Files::new());
    first.account(|account| account.add("+14155550101", true));
    second.account(|account| account.add("+14155550202", true));
    // The same name in both.
    let (one, two) = (files.token("ana", "one", &SCOPES), files.token("ana", "two", &SCOPES));
    let tenants = format!(
        "[tenants.one]\napi_key_env = \"KEY_ONE\"\nbase_url = \"{}\"\n[tenants.two]\napi_key_env = \"KEY_TWO\"\nbase_url = \"{}\"\n",
        first.base_url(),
        second.base_url()
    );
    let keys = [("KEY_ONE", "truedy_one_00000000"), ("KEY_TWO", "truedy_two_00000000")];
    let served = files.serve_tenants(&tenants, &[], &keys).await;
    for era in ERAS {
        for (token, own, other) in [(&one, "+14155550101", "+14155550202"), (&two, "+14155550202", "+14155550101")] {
            assert_eq!(typed(&served, era, token, "truedy://numbers/{id}", "").await, json!([own]), "{era}");
            let answer = ask(&served, era, token, "resources/read", json!({ "uri": "truedy://numbers" })).await;
            let text = answer["result"]["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert!(text.contains(own) && !text.contains(other), "{era}: {text}");
            let answer =
                ask(&served, era, token, "resources/read", json!({ "uri": format!("truedy://numbers/{other}") })).await;
            assert_eq!(answer["error"]["data"]["status"], "not_found", "{answer}");
        }
    }
}

#[tokio::test]
async fn every_list_is_its_callers_own() {
    let (upstream, mut files) = (Upstream::start(), Files::new());
    let all = files.person("all");
    let served = files.serve(&upstream, &[]).await;
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "skills/list"] {
        let result = ask(&served, MODERN, &all, method, json!({})).await["result"].clone();
        assert_eq!((&result["cacheScope"], &result["resultType"]), (&json!("private"), &json!("complete")), "{method}");
        assert!(result["ttlMs"].as_u64().is_some_and(|ms| ms > 0), "{method}: {result}");
    }
}
