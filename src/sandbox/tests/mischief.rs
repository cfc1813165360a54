//! Tests how the sandbox refuses and fails: by number, by switch and by rule.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::data::seed::{FRONT_DESK, FRONT_OFFICE, NIGHT_LINE};
use crate::sandbox::tests::fixture::{
    ASSIGN, IMPORT, KEY, LIST, OTHER_ORGANIZATION_KEY, PURCHASE, REVOKED_KEY, SEARCH, SECOND_KEY, UNASSIGN,
};
use crate::sandbox::tests::fixture::{
    Faults, Sandbox, SandboxOptions, SandboxStore, fresh, message, parsed, raw, text,
};

#[tokio::test]
async fn magic_numbers_misbehave_whoever_asks() {
    let sandbox = fresh(&[]).await;
    let taken = sandbox.buy("+12125550199").await;
    assert!(taken.0 == 422 && message(&taken).contains("Telnyx API error: 422"), "{taken:?}");
    assert!(sandbox.row("+12125550199").await.is_none());

    let failed = sandbox.buy("+12125550198").await;
    assert_eq!((failed.0, text(&failed.1, "/error/code")), (500, "server_error"));
    assert!(sandbox.row("+12125550198").await.is_some(), "it was bought all the same");

    let silent = tokio::time::timeout(Duration::from_millis(300), sandbox.buy("+12125550197")).await;
    assert!(silent.is_err());
    assert!(sandbox.row("+12125550197").await.is_some(), "it was bought all the same");
}

#[tokio::test]
async fn the_limit_is_shared_by_the_keys_of_one_organization() {
    let sandbox = fresh(&["rate_limit=3", "limits=429_with_headers"]).await;
    // The clock's minute may turn in between, once.
    for attempt in 0..2 {
        let mut statuses = Vec::new();
        for key in [KEY, SECOND_KEY, KEY, SECOND_KEY] {
            statuses.push(sandbox.ask_as(key, "GET", "/telephony/credentials", &Value::Null).await.0);
        }
        if statuses == [200, 200, 200, 429] {
            break;
        }
        assert_eq!(attempt, 0, "{statuses:?}");
    }
    let refused = sandbox.text(KEY, "GET", LIST, "", "").await;
    if parsed(&refused).0 == 429 {
        assert!(refused.contains("retry-after: ") && refused.contains("x-ratelimit-limit: 3"), "{refused}");
        assert_eq!(parsed(&refused).1["error"]["details"]["limit"], 3);
    }
    assert_eq!(sandbox.ask_as(OTHER_ORGANIZATION_KEY, "GET", LIST, &Value::Null).await.0, 200);
    assert_eq!(sandbox.ask_as("unknown", "GET", LIST, &Value::Null).await.0, 401);
}

#[tokio::test]
async fn a_purchase_that_ends_badly_may_have_bought() {
    for (fault, status, bought) in [
        ("purchase=unavailable", 422, false),
        ("purchase=commit_then_422", 422, true),
        ("purchase=charged_then_422", 422, false),
        ("purchase=500_after_commit", 500, true),
        ("drop_connection=purchase", 0, true),
        ("drop_connection_before=purchase", 0, false),
        ("server_error=purchase", 500, false),
        ("auth=402_no_credits", 402, false),
        ("provider_configured=false", 422, false),
    ] {
        let sandbox = fresh(&[fault]).await;
        assert_eq!(sandbox.buy("+12125550100").await.0, status, "{fault}");
        assert_eq!(sandbox.row("+12125550100").await.is_some(), bought, "{fault}");
        let shelf = sandbox.set_faults(json!({})).await;
        assert_eq!(shelf, (200, json!({})));
        let gone = bought || fault.contains("charged");
        assert_eq!(sandbox.stock("212").await, if gone { 98 } else { 99 }, "{fault}");
    }
}

#[tokio::test]
async fn faults_can_be_changed_while_it_runs_and_strike_a_number_of_times() {
    let sandbox = fresh(&[]).await;
    let set = sandbox.set_faults(json!({ "internal_error": "list", "times": 2 })).await;
    assert_eq!(set, (200, json!({ "internal_error": ["list"], "times": [2] })));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(sandbox.get(LIST).await.0);
    }
    assert_eq!(statuses, [500, 500, 200]);
    let refused = sandbox.set_faults(json!({ "internal_error": "everything" })).await;
    assert!(refused.0 == 400 && refused.1.to_string().contains("agent_numbers"), "{refused:?}");
    assert_eq!(sandbox.set_faults(json!([])).await.0, 400);
    let shown = parsed(&raw(sandbox.address(), "GET /sandbox/faults HTTP/1.1", "").await);
    assert_eq!(shown.1["times"], json!([2]), "a refused change changes nothing");
}

#[tokio::test]
async fn the_rival_takes_what_was_shown_first() {
    let sandbox = fresh(&["search=race"]).await;
    let (_, found) = sandbox.post(SEARCH, json!({ "area_code": "212" })).await;
    assert_eq!(sandbox.buy(text(&found, "/data/0/phone_number")).await.0, 422);
    assert_eq!(sandbox.buy(text(&found, "/data/1/phone_number")).await.0, 200);
}

#[tokio::test]
async fn an_echo_shows_secrets_only_when_switched_on() {
    let body = json!({ "provider_type": "telnyx", "api_key": "KEY-Geheim", "auth_token": "Token-Geheim" });
    let plain = fresh(&["errors=C"]).await.post(IMPORT, body.clone()).await;
    assert!(plain.0 == 422 && !plain.1.to_string().contains("Geheim"), "{plain:?}");
    let echoed = fresh(&["import=echo_body_in_detail"]).await.post(IMPORT, body.clone()).await;
    assert_eq!(echoed.1["detail"][0]["input"]["api_key"], "KEY-Geheim");
    let (_, echoed) = fresh(&["echo_key"]).await.post(IMPORT, body).await;
    let words = text(&echoed, "/error/message");
    assert!(words.contains(KEY) && words.contains("Token-Geheim") && words.contains("S0VZLUdlaGVpbQ=="), "{words}");
}

#[tokio::test]
async fn the_ledger_knows_every_request_and_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ledger.jsonl");
    let options = SandboxOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        store: SandboxStore::Memory,
        faults: Faults::parse(["hang=search"]).unwrap(),
        ledger: Some(file.clone()),
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    sandbox
        .post(IMPORT, json!({ "phone_number": "+12065550150", "provider_type": "telnyx", "api_key": "Geheim" }))
        .await;
    // Whoever is nobody leaves nothing.
    sandbox.ask_as("nobody", "GET", "/agents?name=nobody", &Value::Null).await;
    sandbox.ask_as(REVOKED_KEY, "GET", "/agents?name=x", &Value::Null).await;
    let hung = tokio::time::timeout(Duration::from_millis(200), sandbox.post(SEARCH, json!({}))).await;
    assert!(hung.is_err());
    let written = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!written.contains("Geheim") && !written.contains(KEY));
    assert_eq!(lines[0]["body"]["api_key"], "[secret]");
    assert_eq!(lines[1], json!({ "seq": 1, "status": 200 }));
    assert_eq!(lines[2]["query"], "name=x");
    assert_eq!(lines[3], json!({ "seq": 2, "status": 401 }));
    assert_eq!(lines[5], json!({ "seq": 3, "status": null }));
    let told = parsed(&raw(sandbox.address(), "GET /sandbox/ledger HTTP/1.1", "").await);
    assert_eq!(told, (200, Value::Array(lines)));
}

#[tokio::test]
async fn http_is_refused_in_the_words_of_the_framework() {
    let sandbox = fresh(&[]).await;
    assert_eq!(sandbox.get("/nothing").await, (404, json!({ "detail": "Not Found" })));
    let wrong = sandbox.text(KEY, "PATCH", LIST, "", "").await;
    assert!(wrong.starts_with("HTTP/1.1 405") && wrong.contains("\r\nallow: GET\r\n"), "{wrong}");
    let malformed = parsed(&sandbox.text(KEY, "POST", SEARCH, "", "{").await);
    assert_eq!((malformed.0, text(&malformed.1, "/error/code")), (400, "bad_request"));
    assert_eq!(sandbox.post(SEARCH, json!({ "page_size": "abc" })).await.0, 422);
    assert_eq!(sandbox.get(&format!("{LIST}?limit=101")).await.0, 422);
    assert_eq!(sandbox.get(&format!("{LIST}?offset=999999999999999999999999")).await.0, 200);
    let large = sandbox.text(KEY, "POST", SEARCH, "", &" ".repeat(2 << 20)).await;
    assert!(large.is_empty() || large.starts_with("HTTP/1.1 413"), "{large}");
    let redirected = {
        sandbox.set_faults(json!({ "agents": "redirect" })).await;
        sandbox.text(KEY, "GET", "/agents?limit=1", "", "").await
    };
    assert!(redirected.contains("location: http://localhost/api/public/v1/agents/?limit=1"), "{redirected}");
    assert_eq!(sandbox.get("/agents/?limit=1").await.0, 200);
}

#[tokio::test]
async fn what_the_pages_disagree_on_can_be_had_either_way() {
    let sandbox = fresh(&["rate_limit=0"]).await;
    let only = async |fault: Value| {
        let mut faults = json!({ "rate_limit": 0 });
        faults.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        assert_eq!(sandbox.set_faults(faults).await.0, 200, "{fault}");
    };
    let id = text(&sandbox.row("+14155550123").await.unwrap(), "/id").to_owned();
    let slot = json!({ "number_id": id, "agent_id": FRONT_OFFICE, "assignment_type": "outbound" });

    only(json!({ "list": ["omit_assignment_fields", "truedy_spelling", "legacy_agent_id"] })).await;
    let row = sandbox.row("+14155550123").await.unwrap();
    assert!(row.get("inbound_agent_id").is_none() && row.get("is_trudy_managed").is_none());
    assert_eq!((text(&row, "/agent_id"), &row["is_truedy_managed"]), (FRONT_DESK, &json!(true)));

    only(json!({ "search": ["carrier_raw_shapes", "page_size_50", "reject_hyphen"] })).await;
    let (_, raw) = sandbox.post(SEARCH, json!({ "area_code": "212", "page_size": 50 })).await;
    assert_eq!(raw["data"][0]["features"][0], json!({ "name": "voice" }));
    assert_eq!(raw["data"][0]["region_information"][1], json!({ "region_type": "state", "region_name": "NY" }));
    assert_eq!(sandbox.post(SEARCH, json!({ "page_size": 51 })).await.0, 422);
    assert_eq!(sandbox.post(SEARCH, json!({ "phone_number_type": "toll-free" })).await.0, 422);
    only(json!({})).await;
    let (_, toll_free) = sandbox.post(SEARCH, json!({ "phone_number_type": "toll-free" })).await;
    assert_eq!(toll_free["data"][0]["phone_number"], "+18005550100");

    only(json!({ "assign": "ultravox_down_after_write" })).await;
    assert!(message(&sandbox.post(ASSIGN, slot.clone()).await).contains("Ultravox API error: 503"));
    assert_eq!(text(&sandbox.row("+14155550123").await.unwrap(), "/outbound_agent_id"), FRONT_OFFICE);
    only(json!({ "assign": "not_found_404", "unassign": ["not_found_404", "generated_shape"] })).await;
    let unknown = json!({ "number_id": "unknown", "agent_id": NIGHT_LINE, "assignment_type": "outbound" });
    assert_eq!(sandbox.post(ASSIGN, unknown.clone()).await.0, 404);
    assert_eq!(sandbox.post(UNASSIGN, unknown).await.0, 404);
    assert_eq!(sandbox.post(UNASSIGN, slot).await.1["data"]["number"], "+14155550123");

    only(json!({ "ids": "prefixed", "release": "refuse_assigned" })).await;
    let prefixed = text(&sandbox.row("+14155550123").await.unwrap(), "/id").to_owned();
    assert!(prefixed.starts_with("num_"), "{prefixed}");
    assert_eq!(sandbox.release(&prefixed).await, 422);
    only(json!({ "release": "carrier_refuses" })).await;
    assert_eq!(sandbox.release(&prefixed).await, 422);
    only(json!({ "release": ["204", "not_found_422", "back_to_free"], "aging_ms": 50 })).await;
    assert_eq!(sandbox.stock("415").await, 99);
    assert_eq!(sandbox.release(&prefixed).await, 204);
    assert_eq!(sandbox.release(&prefixed).await, 422);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(sandbox.stock("415").await, 100);

    only(json!({ "success_status": 201, "pending": "instant", "purchase": "number_body" })).await;
    let bought = sandbox.buy("+12125550100").await;
    assert_eq!((bought.0, text(&bought.1, "/data/status")), (201, "active"));
    only(json!({ "pending": "fails", "pending_ms": 0 })).await;
    sandbox.buy("+12125550101").await;
    assert_eq!(sandbox.row("+12125550101").await.unwrap()["status"], "inactive");
    only(json!({ "purchase": "regulatory_pending", "pending_ms": 0 })).await;
    let (_, bought) = sandbox.buy("+12125550102").await;
    assert_eq!(bought["data"]["purchase_response"]["data"]["requirements_met"], false);
    assert_eq!(sandbox.row("+12125550102").await.unwrap()["status"], "pending");

    only(json!({ "calls": ["older_shape", "no_number_400"], "agents": "omit_numbers" })).await;
    let to = "+15555550100";
    let (_, call) = sandbox.post("/calls", json!({ "agent_id": FRONT_OFFICE, "phone_number": to })).await;
    assert_eq!(text(&call, "/data/to_number"), to);
    assert_eq!(sandbox.post("/calls", json!({ "agent_id": FRONT_DESK, "phone_number": to })).await.0, 400);
    assert!(sandbox.get(&format!("/agents/{FRONT_DESK}")).await.1["data"].get("inbound_phone_numbers").is_none());
}

#[tokio::test]
async fn a_carrier_account_is_needed_unless_a_key_is_brought() {
    let sandbox = fresh(&["provider_configured=false"]).await;
    let refused = sandbox.post(SEARCH, json!({})).await;
    assert_eq!(message(&refused), "Failed to search numbers: Telnyx API key is not configured");
    assert_eq!(sandbox.post(SEARCH, json!({ "api_key": "KEY1" })).await.0, 200);
    let wrong = sandbox.post(PURCHASE, json!({ "phone_number": "+12125550100", "api_key": KEY })).await;
    assert!(message(&wrong).starts_with("Failed to purchase number: Telnyx API error: 401"), "{wrong:?}");
    let own = sandbox.post(PURCHASE, json!({ "phone_number": "+12125550100", "api_key": "KEY1" })).await;
    assert_eq!(own.0, 200);
    assert_eq!(sandbox.row("+12125550100").await.unwrap()["is_trudy_managed"], true);

    let body = json!({ "phone_number": "+12065550150", "provider_type": "telnyx", "api_key": "k" });
    for (faults, status) in [
        (json!({ "provider_configured": false, "import": "needs_provider" }), 422),
        (json!({ "import": "reject_bad_credentials" }), 422),
        (json!({ "import": "duplicate_foreign" }), 422),
        (json!({ "provider_configured": false }), 200),
    ] {
        sandbox.set_faults(faults).await;
        assert_eq!(sandbox.post(IMPORT, body.clone()).await.0, status);
    }
    sandbox.set_faults(json!({ "import": ["sip_refused", "account_sid_optional"] })).await;
    let twilio = json!({ "phone_number": "+12065550151", "provider_type": "twilio", "api_key": "k" });
    assert_eq!(sandbox.post(IMPORT, twilio).await.0, 200);
    let sip = json!({
        "phone_number": "+12065550152", "provider_type": "custom_sip", "sip_username": "u", "sip_password": "p",
        "sip_server": "sip.example.com"
    });
    assert!(message(&sandbox.post(IMPORT, sip).await).contains("SIP registration was refused"));
}
