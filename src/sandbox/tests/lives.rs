//! Tests what people do with the sandbox, from start to end.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::data::seed::{FRONT_DESK, FRONT_OFFICE, NIGHT_LINE, OVERFLOW};
use crate::sandbox::tests::fixture::{
    ASSIGN, IMPORT, KEY, LIST, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SEARCH, SECOND_KEY, UNASSIGN,
};
use crate::sandbox::tests::fixture::{fresh, message, parsed, text};

#[tokio::test]
async fn a_number_lives_from_search_to_release() {
    let sandbox = fresh(&["pending_ms=500"]).await;
    let (_, found) = sandbox.post(SEARCH, json!({ "area_code": "415", "page_size": 3 })).await;
    let number = text(&found, "/data/0/phone_number").to_owned();
    assert_eq!(number, "+14155550100");
    assert_eq!(
        found["pagination"],
        json!({
            "page": 1, "page_size": 3, "total_results": 99, "total_pages": 33, "has_more": true
        })
    );

    let (status, bought) = sandbox.buy(&number).await;
    assert_eq!(status, 200);
    let id = text(&bought, "/data/number_id").to_owned();
    let row = sandbox.row(&number).await.unwrap();
    assert_eq!((text(&row, "/status"), text(&row, "/id")), ("pending", id.as_str()));
    assert_eq!(row["provider_id"], bought["data"]["purchase_response"]["data"]["id"]);
    assert_eq!(sandbox.buy(&number).await.0, 422);
    assert_eq!(sandbox.stock("415").await, 98);

    tokio::time::sleep(Duration::from_millis(550)).await;
    assert_eq!(sandbox.row(&number).await.unwrap()["status"], "active");

    for direction in ["inbound", "outbound"] {
        let body = json!({ "number_id": id, "agent_id": FRONT_DESK, "assignment_type": direction });
        assert_eq!(sandbox.post(ASSIGN, body).await.0, 200);
    }
    let (_, held) = sandbox.get(&format!("/telephony/agents/{FRONT_DESK}/numbers")).await;
    assert_eq!(held["data"]["inbound"].as_array().unwrap().len(), 2);
    assert_eq!(held["data"]["outbound"][0]["phone_number"], number.as_str());

    assert_eq!(sandbox.release(&id).await, 200);
    assert_eq!(sandbox.release(&id).await, 404);
    assert!(sandbox.row(&number).await.is_none());
    let (_, held) = sandbox.get(&format!("/telephony/agents/{FRONT_DESK}/numbers")).await;
    assert_eq!(held["data"]["outbound"], json!([]));
    assert_eq!(sandbox.stock("415").await, 98, "what was released ages and is not offered again");
    assert_eq!(sandbox.buy(&number).await.0, 422);
}

#[tokio::test]
async fn an_assignment_displaces_only_in_its_direction() {
    let sandbox = fresh(&[]).await;
    let number = sandbox.row("+14155550123").await.unwrap();
    let id = text(&number, "/id");
    let assign = |agent: &str, kind: &str| json!({ "number_id": id, "agent_id": agent, "assignment_type": kind });
    assert_eq!(sandbox.post(ASSIGN, assign(FRONT_OFFICE, "inbound")).await.0, 200);
    assert_eq!(sandbox.post(ASSIGN, assign(NIGHT_LINE, "outbound")).await.0, 200, "no status is checked");
    let row = sandbox.row("+14155550123").await.unwrap();
    assert_eq!((text(&row, "/inbound_agent_id"), text(&row, "/outbound_agent_id")), (FRONT_OFFICE, NIGHT_LINE));

    for _ in 0..2 {
        let answer = sandbox.post(UNASSIGN, json!({ "number_id": id, "assignment_type": "inbound" })).await;
        assert_eq!((answer.0, &answer.1["data"]["unassigned"]), (200, &json!(true)));
    }
    let row = sandbox.row("+14155550123").await.unwrap();
    assert_eq!((text(&row, "/inbound_agent_id"), text(&row, "/outbound_agent_id")), ("", NIGHT_LINE));

    let unknown = "00000000-0000-4000-8000-000000000000";
    let body = json!({ "number_id": unknown, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    assert_eq!(message(&sandbox.post(ASSIGN, body).await), "Phone number not found");
    assert_eq!(message(&sandbox.post(ASSIGN, assign(unknown, "inbound")).await), "Agent not found");
    let answer = sandbox.post(ASSIGN, assign(FRONT_DESK, "both")).await;
    assert_eq!(message(&answer), "assignment_type must be 'inbound' or 'outbound'");
    let answer = sandbox.post(UNASSIGN, json!({ "number_id": id })).await;
    assert_eq!(message(&answer), "number_id and assignment_type are required");
}

#[tokio::test]
async fn an_import_is_active_at_once_and_can_be_repeated_after_release() {
    let sandbox = fresh(&[]).await;
    let body = json!({
        "phone_number": "+12065550150", "provider_type": "twilio", "api_key": "k", "account_sid": "AC",
        "friendly_name": "Shop"
    });
    let (status, imported) = sandbox.post(IMPORT, body.clone()).await;
    assert_eq!(status, 200);
    let row = sandbox.row("+12065550150").await.unwrap();
    assert_eq!((text(&row, "/status"), &row["is_trudy_managed"]), ("active", &json!(false)));
    assert_eq!(row["telephony_credential_id"], imported["data"]["credential_id"]);
    assert_eq!(sandbox.stock("206").await, 98);

    let again = sandbox.post(IMPORT, body.clone()).await;
    assert!(message(&again).contains("23505"), "{again:?}");
    let (_, credentials) = sandbox.get("/telephony/credentials").await;
    assert_eq!(credentials["data"].as_array().unwrap().len(), 5, "the failed import leaves its credential behind");
    assert!(!credentials.to_string().contains("AC"));

    assert_eq!(sandbox.release(text(&row, "/id")).await, 200);
    assert_eq!(sandbox.stock("206").await, 99);
    assert_eq!(sandbox.post(IMPORT, body).await.0, 200);

    for (wrong, words) in [
        (json!({ "provider_type": "telnyx" }), "API key is required for telnyx"),
        (json!({ "provider_type": "twilio", "api_key": "k" }), "Account SID is required for Twilio"),
        (
            json!({ "provider_type": "custom_sip", "sip_server": "s" }),
            "SIP username, password, and server are required for custom_sip",
        ),
        (json!({ "provider_type": "plivo" }), "Invalid request"),
    ] {
        let mut wrong = wrong;
        wrong["phone_number"] = json!("+12065550151");
        assert_eq!(message(&sandbox.post(IMPORT, wrong).await), words);
    }
}

#[tokio::test]
async fn organizations_see_nothing_of_each_other_and_share_uniqueness() {
    let sandbox = fresh(&[]).await;
    let (_, other) = sandbox.ask_as(OTHER_ORGANIZATION_KEY, "GET", LIST, &Value::Null).await;
    assert_eq!(other["pagination"]["total"], 1);
    let id = text(&other, "/data/0/id").to_owned();
    assert_eq!(sandbox.release(&id).await, 404);
    let body = json!({ "number_id": id, "agent_id": FRONT_DESK, "assignment_type": "inbound" });
    assert_eq!(message(&sandbox.post(ASSIGN, body).await), "Phone number not found");
    let (status, _) =
        sandbox.ask_as(OTHER_ORGANIZATION_KEY, "GET", &format!("/agents/{FRONT_DESK}"), &Value::Null).await;
    assert_eq!(status, 404);

    let body = json!({ "phone_number": "+17735550160", "provider_type": "telnyx", "api_key": "k" });
    assert!(message(&sandbox.post(IMPORT, body).await).contains("already exists"));
    assert_eq!(sandbox.buy("+17735550160").await.0, 422);

    let (_, second) = sandbox.ask_as(SECOND_KEY, "GET", LIST, &Value::Null).await;
    assert_eq!(second["pagination"]["total"], 12);
    assert_eq!(sandbox.ask_as(REVOKED_KEY, "GET", LIST, &Value::Null).await.0, 401);
}

#[tokio::test]
async fn prices_differ_and_are_in_the_currency_of_the_country() {
    let sandbox = fresh(&[]).await;
    let (mut prices, mut currencies) = (BTreeSet::new(), BTreeSet::new());
    for search in [
        json!({ "area_code": "415", "page_size": 100 }),
        json!({ "area_code": "212" }),
        json!({ "phone_number_type": "toll_free" }),
        json!({ "country_code": "CA" }),
        json!({ "country_code": "GB" }),
    ] {
        let (_, found) = sandbox.post(SEARCH, search).await;
        for offer in found["data"].as_array().unwrap() {
            prices.insert(text(offer, "/cost_information/monthly_cost").to_owned());
            currencies.insert(text(offer, "/cost_information/currency").to_owned());
            assert_eq!(offer["cost_information"]["note"], "sandbox price");
        }
    }
    assert_eq!(currencies, ["CAD", "GBP", "USD"].map(str::to_owned).into());
    assert!(prices.len() >= 5, "{prices:?}");
}

#[tokio::test]
async fn agents_are_found_by_name_and_have_a_webhook_url() {
    let sandbox = fresh(&[]).await;
    let (_, all) = sandbox.get("/agents").await;
    let names: Vec<&str> = all["data"].as_array().unwrap().iter().map(|agent| text(agent, "/name")).collect();
    assert_eq!(names, ["Reminders", "Overflow", "Night line", "Front office", "Front desk", "Sales"]);
    let (_, front) = sandbox.get("/agents/?name=FRONT&limit=1").await;
    assert_eq!(front["pagination"], json!({ "total": 2, "limit": 1, "offset": 0, "has_more": true }));
    assert_eq!(sandbox.get("/agents?status=draft").await.1["pagination"]["total"], 1);
    let (_, desk) = sandbox.get(&format!("/agents/{FRONT_DESK}")).await;
    assert_eq!(desk["data"]["inbound_phone_numbers"][0]["phone_number"], "+14155550123");

    let (_, url) = sandbox.get(&format!("/telephony/agents/{FRONT_DESK}/webhook-url")).await;
    let ultravox = text(&url, "/data/ultravox_agent_id");
    let expected = format!("https://api.ultravox.ai/api/agents/{ultravox}/telephony_xml");
    assert_eq!(text(&url, "/data/webhook_url"), expected);
    let draft = sandbox.get(&format!("/telephony/agents/{NIGHT_LINE}/webhook-url")).await;
    assert_eq!((draft.0, message(&draft)), (422, "Agent is not synced to Ultravox yet"));
    assert_eq!(sandbox.get("/telephony/agents/nobody/webhook-url").await.0, 404);
}

#[tokio::test]
async fn calls_are_queued_once_for_one_idempotency_key() {
    let sandbox = fresh(&[]).await;
    let body = json!({ "agent_id": FRONT_OFFICE, "phone_number": "+15555550100" }).to_string();
    let header = "\r\nX-Idempotency-Key: once";
    let first = parsed(&sandbox.text(KEY, "POST", "/calls", header, &body).await);
    let replay = parsed(&sandbox.text(KEY, "POST", "/calls", header, &body).await);
    assert_eq!((first.0, replay.0), (200, 201));
    assert_eq!(first.1["data"], replay.1["data"]);
    assert_eq!(first.1["data"]["from_number"], "+16175550155", "the oldest assignment dials");
    let other = parsed(&sandbox.text(KEY, "POST", "/calls", header, &body.replace("0100", "0101")).await);
    assert_ne!(first.1["data"]["id"], other.1["data"]["id"]);

    let to = "+15555550100";
    let none = sandbox.post("/calls", json!({ "agent_id": FRONT_DESK, "phone_number": to })).await;
    assert_eq!((none.0, text(&none.1, "/error/code")), (422, "no_phone_number_configured"));
    for agent in [NIGHT_LINE, OVERFLOW] {
        assert_eq!(sandbox.post("/calls", json!({ "agent_id": agent, "phone_number": to })).await.0, 422);
    }
    let foreign = json!({ "agent_id": FRONT_OFFICE, "phone_number": to, "from_number": "+14155550123" });
    assert_eq!(sandbox.post("/calls", foreign).await.0, 422);
}
