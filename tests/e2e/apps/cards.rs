//! Pages in the chat over the wire: what clients that show them get and others do not, the purchase that only a page can
//! make, and the card on which a person is asked.

use std::time::{Duration, SystemTime};

use rmcp::model::SealOptions;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use truedy_mcp::mcp::SealingKeys;

use crate::support::era::{Era, MODERN, in_both_eras};
use crate::support::fake_truedy::{PURCHASE, Play, Reply, SEARCH, Upstream};
use crate::support::http_client::{Answer, Served, message};
use crate::support::mcp_client::{Agent, Setup};
use crate::support::people::Human;
use crate::support::program::{program, run};
use crate::support::sandbox::Sandbox;

const PAGE: &str = "text/html;profile=mcp-app";
const PICKER: &str = "ui://truedy/number-picker.html";
const CONFIRM: &str = "ui://truedy/confirm.html";
const INVENTORY: &str = "ui://truedy/inventory.html";
/// Bought, waiting for its carrier, used by nobody.
const IDLE: &str = "+13125550110";
/// "Front desk" answers it.
const ANSWERED: &str = "+14155550123";
const FOR_SALE: &str = "+14155550110";
const ALSO_FOR_SALE: &str = "+14155550111";
const REFUSED: [&str; 4] = ["confirmation_invalid", "confirmation_expired", "confirmation_used", "state_changed"];

/// What a client says that shows pages beside the answers of tools.
pub(crate) fn pages() -> Value {
    json!({ "mimeTypes": [PAGE] })
}

/// And in the place of its own form.
fn cards() -> Value {
    json!({ "mimeTypes": [PAGE], "elicitation": {} })
}

/// An agent whose client shows pages and cannot ask.
fn showing(era: Era) -> Setup {
    Agent::alone(era).showing(pages())
}

/// What a search gives the page: the number, then its token.
async fn search(agent: &Agent) -> Value {
    let result = agent.result("search_numbers", json!({ "area_code": "415" })).await;
    result["_meta"]["truedy/offers"].clone()
}

fn token(tokens: &Value, number: &str) -> String {
    tokens[number]
        .as_str()
        .unwrap_or_else(|| panic!("no token for {number} but {:?}", tokens.as_object().map(Map::len)))
        .to_owned()
}

/// What the page says of a confirmed number.
async fn buy(agent: &Agent, number: &str, token: &str) -> Value {
    agent.result("buy_offer", json!({ "phone_number": number, "confirmation_token": token })).await
}

fn status(result: &Value) -> &str {
    result["structuredContent"]["status"].as_str().unwrap_or_else(|| panic!("no status: {result}"))
}

/// A preview that bought nothing, with a fresh token where only the page looks; the token.
fn anew(result: &Value, number: &str, expected: &str) -> String {
    assert_eq!((status(result), &result["isError"]), (expected, &json!(false)), "{result}");
    let facts = &result["structuredContent"];
    assert!(facts["summary"].as_str().unwrap().starts_with("Nothing was bought. "), "{facts}");
    assert!(facts["price"].as_str().unwrap().contains("a month"), "what it costs now: {facts}");
    let fresh = token(&result["_meta"]["truedy/offers"], number);
    let rest = json!([facts, result["content"]]).to_string();
    assert!(!rest.contains(&fresh) && !rest.contains("purchase_number"), "nothing for a model: {rest}");
    fresh
}

in_both_eras!(pages_are_declared_listed_and_read_as_the_specification_says);
async fn pages_are_declared_listed_and_read_as_the_specification_says(era: Era) {
    let agent = showing(era).start().await;
    let listed = agent.resources().await;
    let listed: Vec<&Value> =
        listed.as_array().unwrap().iter().filter(|one| one["uri"].as_str().unwrap().starts_with("ui:")).collect();
    let uris: Vec<&str> = listed.iter().filter_map(|page| page["uri"].as_str()).collect();
    assert_eq!(uris, [CONFIRM, PICKER, INVENTORY]);
    for uri in uris {
        let read = agent.resource(uri).await;
        let contents = read["contents"].as_array().unwrap();
        assert_eq!(contents.len(), 1);
        let page = &contents[0];
        assert_eq!((&page["uri"], &page["mimeType"]), (&json!(uri), &json!(PAGE)));
        assert_eq!(page["_meta"], json!({ "ui": { "prefersBorder": true } }), "no place to connect to, no permission");
        assert!(page["text"].as_str().unwrap().starts_with("<!doctype html>"));
    }
    assert!(listed.iter().all(|page| page["mimeType"] == PAGE));
    let other = Agent::alone(era).start().await;
    let listed = other.resources().await;
    assert!(
        listed.as_array().unwrap().iter().all(|one| one["mimeType"] != PAGE),
        "no page for a client that shows none: {listed:?}"
    );
    // A host that shows pages and does not say so finds them by the tools.
    assert_eq!(other.resource(PICKER).await["contents"][0]["mimeType"], PAGE);
}

in_both_eras!(a_client_that_shows_pages_is_offered_one_tool_more_and_the_rest_is_the_same);
async fn a_client_that_shows_pages_is_offered_one_tool_more_and_the_rest_is_the_same(era: Era) {
    let names = |agent: &Agent| agent.tools().iter().map(|tool| tool.name.to_string()).collect::<Vec<_>>();
    let (shows, other) = (showing(era).start().await, Agent::alone(era).start().await);
    assert_eq!(shows.tools().split_last().unwrap().1, other.tools());
    let door = serde_json::to_value(shows.tools().last().unwrap()).unwrap();
    assert_eq!((&door["name"], &door["_meta"]["ui"]), (&json!("buy_offer"), &json!({ "visibility": ["app"] })));
    assert_eq!(door["inputSchema"]["required"], json!(["phone_number", "confirmation_token"]));
    assert!(door.to_string().len() < 1_200, "{} bytes", door.to_string().len());
    for wrong in [json!({}), json!({ "mimeTypes": ["text/html"] }), json!({ "elicitation": {} })] {
        let agent = Agent::alone(era).showing(wrong).start().await;
        assert_eq!(names(&agent), names(&other), "another kind of page");
        let told = agent.unknown("buy_offer", json!({ "phone_number": FOR_SALE, "confirmation_token": "t" })).await;
        assert_eq!(told, "Unknown tool: buy_offer");
        let result = agent.result("search_numbers", json!({ "area_code": "415" })).await;
        assert!(!result.to_string().contains("truedy/"), "no token for whom no page shows: {result}");
        assert_eq!(agent.leave().await.changes(), 0);
    }
}

in_both_eras!(two_clicks_on_the_page_are_one_purchase);
async fn two_clicks_on_the_page_are_one_purchase(era: Era) {
    let agent = showing(era).start().await;
    let result = agent.result("search_numbers", json!({ "area_code": "415" })).await;
    assert_eq!(result["_meta"]["truedy/query"], json!({ "area_code": "415" }), "how to ask for more");
    let tokens = &result["_meta"]["truedy/offers"];
    let shown = json!([result["structuredContent"], result["content"]]).to_string();
    let offers = result["structuredContent"]["offers"].as_array().unwrap();
    assert_eq!(tokens.as_object().unwrap().len(), offers.len(), "one for each number");
    for offer in offers {
        assert!(!shown.contains(&token(tokens, offer["number"].as_str().unwrap())), "a token for the model to read");
    }
    let bought = buy(&agent, FOR_SALE, &token(tokens, FOR_SALE)).await;
    assert_eq!(status(&bought), "purchased", "{bought}");
    assert_eq!(bought["structuredContent"]["number"], FOR_SALE);
    let again = buy(&agent, FOR_SALE, &token(tokens, FOR_SALE)).await;
    assert_eq!((status(&again), &again["structuredContent"]["purchased"]), ("already_owned", &json!(false)));
    let operations = agent.call("list_operations", json!({})).await.expect("the journal");
    assert_eq!(operations["operations"][0]["tool"], "purchase_number", "it counts as what it is: {operations}");
    assert_eq!(agent.leave().await.purchases(), 1);
}

in_both_eras!(without_the_token_of_the_page_nothing_is_bought_at_any_level);
async fn without_the_token_of_the_page_nothing_is_bought_at_any_level(era: Era) {
    let sandbox = Sandbox::start().await;
    let stranger = showing(era).on(&sandbox).start().await;
    let foreign = token(&search(&stranger).await, FOR_SALE);
    for level in ["flag", "token"] {
        let agent = showing(era).on(&sandbox).flags(&["--gate", level]).start().await;
        let tokens = search(&agent).await;
        for arguments in [
            json!({ "phone_number": FOR_SALE }),
            json!({ "phone_number": FOR_SALE, "confirm": true }),
            json!({ "phone_number": FOR_SALE, "confirmation_token": "" }),
            json!({ "phone_number": FOR_SALE, "confirmation_token": null, "confirm": true }),
            json!({ "phone_number": FOR_SALE, "confirmation_token": token(&tokens, FOR_SALE), "api_key": "KEY-1" }),
            json!({ "confirmation_token": token(&tokens, FOR_SALE) }),
        ] {
            let refused = agent.result("buy_offer", arguments).await;
            assert_eq!(status(&refused), "invalid_argument", "{refused}");
            assert!(refused["_meta"].get("truedy/offers").is_none(), "{refused}");
        }
        let own = token(&tokens, FOR_SALE);
        let mut turned = own.clone().into_bytes();
        let middle = turned.len() / 2;
        turned[middle] ^= 1;
        let turned = String::from_utf8(turned).unwrap();
        let another = token(&tokens, ALSO_FOR_SALE);
        for wrong in ["forged", &own[..own.len() - 1], &turned, &another, &foreign] {
            anew(&buy(&agent, FOR_SALE, wrong).await, FOR_SALE, "confirmation_invalid");
        }
        assert_eq!(agent.leave().await.changes(), 0, "{level}");
    }
    assert_eq!(stranger.leave().await.changes(), 0);
}

in_both_eras!(a_token_of_the_page_is_none_of_a_preview_and_the_other_way_round);
async fn a_token_of_the_page_is_none_of_a_preview_and_the_other_way_round(era: Era) {
    let agent = showing(era).flags(&["--gate", "token"]).start().await;
    let of_the_page = token(&search(&agent).await, FOR_SALE);
    let with = |token: &str| json!({ "phone_number": FOR_SALE, "confirm": true, "confirmation_token": token });
    let told = agent.call("purchase_number", with(&of_the_page)).await.expect_err("refused");
    assert_eq!(told.status, "confirmation_invalid");
    let of_a_preview = told.body["confirmation_token"].as_str().unwrap().to_owned();
    let fresh = anew(&buy(&agent, FOR_SALE, &of_a_preview).await, FOR_SALE, "confirmation_invalid");
    assert_eq!(agent.sent().purchases(), 0);
    assert_eq!(status(&buy(&agent, FOR_SALE, &fresh).await), "purchased");
    assert_eq!(agent.leave().await.purchases(), 1);
}

#[tokio::test]
async fn a_token_of_the_page_is_used_once() {
    let upstream = Upstream::start();
    upstream.always(SEARCH, offered("1.00000"));
    upstream.always(PURCHASE, Play::json(409, &json!({ "success": false, "error": { "message": "gone" } })));
    let agent = served_by(&upstream, &[]).await;
    let found = rpc(&agent, "search_numbers", json!({ "area_code": "415" })).await;
    let first = token(&found["_meta"]["truedy/offers"], FOR_SALE);
    let buy = async |token: &str| {
        rpc(&agent, "buy_offer", json!({ "phone_number": FOR_SALE, "confirmation_token": token })).await
    };
    let refused = buy(&first).await;
    assert!(!REFUSED.contains(&status(&refused)), "it was sent: {refused}");
    assert_eq!(upstream.count(PURCHASE), 1);
    let fresh = anew(&buy(&first).await, FOR_SALE, "confirmation_used");
    assert_eq!(upstream.count(PURCHASE), 1);
    buy(&fresh).await;
    assert_eq!(upstream.count(PURCHASE), 2, "a fresh one is a fresh word");
}

/// Offers of the one number for sale, at this price.
fn offered(monthly: &str) -> Play {
    offered_at(FOR_SALE, monthly)
}

/// Offers of one number, at this price.
pub(crate) fn offered_at(number: &str, monthly: &str) -> Play {
    let cost = json!({ "currency": "USD", "monthly_cost": monthly, "upfront_cost": "1.00000" });
    let offer = json!({ "phone_number": number, "phone_number_type": "local", "cost_information": cost });
    Play::Answer(Reply::json(200, &json!({ "data": [offer], "pagination": { "has_more": false } })))
}

/// A server over HTTP for this Truedy.
async fn served_by(upstream: &Upstream, flags: &[&str]) -> Served {
    Served::on(upstream, flags).await
}

/// A call of a client that shows pages, over HTTP.
async fn rpc(served: &Served, tool: &str, arguments: Value) -> Value {
    let bearer = format!("Bearer {}", served.token());
    let answer = posted(served, &bearer, tool, arguments).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}

async fn posted(served: &Served, bearer: &str, tool: &str, arguments: Value) -> Answer {
    let headers =
        [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", tool), ("authorization", bearer)];
    let mut message = message("tools/call", json!({ "name": tool, "arguments": arguments }));
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "io.modelcontextprotocol/ui": pages() } });
    served.post(&headers, message).await
}

#[tokio::test]
async fn a_price_that_changed_is_shown_and_confirmed_anew() {
    let upstream = Upstream::start();
    upstream.in_turn(SEARCH, vec![offered("1.00000"), offered("9.00000"), offered("9.00000")]);
    let served = served_by(&upstream, &[]).await;
    let found = rpc(&served, "search_numbers", json!({ "area_code": "415" })).await;
    let cheap = token(&found["_meta"]["truedy/offers"], FOR_SALE);
    let buy = async |token: &str| {
        rpc(&served, "buy_offer", json!({ "phone_number": FOR_SALE, "confirmation_token": token })).await
    };
    let dearer = buy(&cheap).await;
    let fresh = anew(&dearer, FOR_SALE, "state_changed");
    assert_eq!(dearer["structuredContent"]["price"], "9.00 USD a month and 1.00 USD once");
    assert_eq!(upstream.count(PURCHASE), 0);
    assert_eq!(status(&buy(&fresh).await), "purchased");
    assert_eq!(upstream.count(PURCHASE), 1);
}

#[tokio::test]
async fn what_is_not_known_stops_the_page_too_and_hands_its_token_to_nobody() {
    let upstream = Upstream::start();
    let offer = |number: &str| json!({ "phone_number": number, "cost_information": { "currency": "USD", "monthly_cost": "1.00" } });
    let found = json!({ "data": [offer(FOR_SALE), offer(ALSO_FOR_SALE)], "pagination": { "has_more": false } });
    upstream.always(SEARCH, Play::json(200, &found));
    upstream.always(PURCHASE, Play::Close);
    let served = served_by(&upstream, &[]).await;
    let tokens = rpc(&served, "search_numbers", json!({})).await["_meta"]["truedy/offers"].clone();
    let buy = async |number: &str| {
        rpc(&served, "buy_offer", json!({ "phone_number": number, "confirmation_token": token(&tokens, number) })).await
    };
    assert_eq!(status(&buy(FOR_SALE).await), "outcome_unknown");
    let second = buy(ALSO_FOR_SALE).await;
    assert_eq!(status(&second), "operation_unresolved", "{second}");
    assert_eq!(second["structuredContent"]["next"]["arguments"]["phone_number"], ALSO_FOR_SALE, "{second}");
    assert!(!second.to_string().contains(&token(&tokens, ALSO_FOR_SALE)), "{second}");
    assert_eq!(upstream.count(PURCHASE), 1);
}

/// A token of the page as the server seals it, made so long ago.
fn sealed(key: &str, caller: [&str; 2], number: &str, price: &str, age: u64) -> String {
    let keys = SealingKeys::new(vec![key.as_bytes().to_vec()]).unwrap().of("sandbox".to_owned());
    let codec = keys.codec("truedy-mcp confirmation token").unwrap();
    let parts = ["token", caller[0], caller[1], "buy_offer", number, ""];
    let binding: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let at = i64::try_from(now - age).unwrap().to_be_bytes();
    // Of another machine: the wall clock alone tells its age.
    let seen = Sha256::digest(price.as_bytes());
    let payload = [&[7; 16][..], &seen[..16], &at, &[0; 8]].concat();
    let options = SealOptions::new().associated_data(binding.as_bytes()).ttl(Duration::from_secs(900));
    codec.seal_with(&payload, &options)
}

in_both_eras!(an_offer_is_good_for_five_minutes);
async fn an_offer_is_good_for_five_minutes(era: Era) {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("key"), "a-key-of-the-operator".repeat(4));
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).unwrap();
    let agent = showing(era).flags(&["--state-key-file", file.to_str().unwrap()]).start().await;
    let price = json!({ "monthly": "1.00", "upfront": "1.00", "currency": "USD", "account": "Truedy" }).to_string();
    let price = price.as_str();
    let caller = ["default", "local"];
    let old = sealed(&key, caller, FOR_SALE, price, 301);
    let fresh = anew(&buy(&agent, FOR_SALE, &old).await, FOR_SALE, "confirmation_expired");
    assert_eq!(agent.sent().changes(), 0);
    let young = sealed(&key, caller, FOR_SALE, price, 290);
    assert_eq!(status(&buy(&agent, FOR_SALE, &young).await), "purchased", "the test seals as the server does");
    assert_eq!(status(&buy(&agent, ALSO_FOR_SALE, &fresh).await), "confirmation_invalid");
    assert_eq!(agent.leave().await.purchases(), 1);
}

in_both_eras!(the_operators_rules_hold_for_the_page);
async fn the_operators_rules_hold_for_the_page(era: Era) {
    let sandbox = Sandbox::start().await;
    let taught = showing(era).on(&sandbox).start().await;
    let somebodys = token(&search(&taught).await, FOR_SALE);
    for (flags, rule) in [
        (&["--read-only"][..], "read_only"),
        (&["--exclude-tools", "purchase_number"][..], "exclude_tools"),
        (&["--tools", "search_numbers,list_numbers"][..], "tools"),
    ] {
        let agent = showing(era).on(&sandbox).flags(flags).start().await;
        assert!(agent.tools().iter().all(|tool| tool.name != "buy_offer"), "{rule}");
        let found = agent.result("search_numbers", json!({ "area_code": "415" })).await;
        assert!(found["_meta"].get("truedy/offers").is_none(), "no token for what may not be bought: {rule}");
        let denied = buy(&agent, FOR_SALE, &somebodys).await;
        assert_eq!((status(&denied), &denied["structuredContent"]["rule"]), ("policy_denied", &json!(rule)));
    }
    for (flags, rule) in [
        (["--purchases-per-day", "0"], "purchases_per_day"),
        (["--countries", "GB"], "countries"),
        (["--max-monthly-cost", "0.50 USD"], "max_monthly_cost"),
        (["--spend-per-day", "1.50 USD"], "spend_per_day"),
    ] {
        let agent = showing(era).on(&sandbox).flags(&flags).start().await;
        let own = token(&search(&agent).await, FOR_SALE);
        let denied = buy(&agent, FOR_SALE, &own).await;
        assert_eq!((status(&denied), &denied["structuredContent"]["rule"]), ("policy_denied", &json!(rule)));
    }
    let agent = showing(era).on(&sandbox).flags(&["--purchases-per-day", "1"]).start().await;
    let tokens = search(&agent).await;
    assert_eq!(taught.leave().await.changes(), 0);
    assert_eq!(status(&buy(&agent, FOR_SALE, &token(&tokens, FOR_SALE)).await), "purchased");
    let second = buy(&agent, ALSO_FOR_SALE, &token(&tokens, ALSO_FOR_SALE)).await;
    assert_eq!(second["structuredContent"]["rule"], "purchases_per_day", "{second}");
    assert_eq!(agent.leave().await.purchases(), 1);
}

in_both_eras!(two_clicks_do_not_stand_for_the_person_who_is_to_be_asked);
async fn two_clicks_do_not_stand_for_the_person_who_is_to_be_asked(era: Era) {
    let absent = showing(era).flags(&["--gate", "human"]).start().await;
    let denied = buy(&absent, FOR_SALE, &token(&search(&absent).await, FOR_SALE)).await;
    assert_eq!(status(&denied), "human_unavailable", "{denied}");
    assert_eq!(absent.leave().await.changes(), 0);
    for level in ["flag", "token", "human"] {
        let at = |human: Human| Agent::with(human).in_era(era).showing(pages()).flags(&["--gate", level]);
        let (yes, no) = (at(Human::Agrees).start().await, at(Human::Declines).start().await);
        let bought = buy(&yes, FOR_SALE, &token(&search(&yes).await, FOR_SALE)).await;
        assert_eq!((status(&bought), yes.asked().len()), ("purchased", 1), "{level}");
        let declined = buy(&no, FOR_SALE, &token(&search(&no).await, FOR_SALE)).await;
        assert_eq!((status(&declined), no.asked().len()), ("human_declined", 1), "{level}");
        assert_eq!((yes.leave().await.purchases(), no.leave().await.purchases()), (1, 0));
    }
}

#[tokio::test]
async fn a_search_with_a_secret_is_not_repeated_and_not_bought_from_by_a_page() {
    let agent = showing(Era::Modern).start().await;
    let result = agent.result("search_numbers", json!({ "area_code": "415", "api_key": "KEY-of-ours-canary" })).await;
    assert_eq!(status(&result), "ok");
    assert!(!result.to_string().contains("truedy/") && !result.to_string().contains("canary"), "{result}");
    let listed = agent.result("list_numbers", json!({ "limit": 1 })).await;
    assert_eq!(listed["_meta"]["truedy/query"], json!({ "limit": 1 }));
    assert!(listed["_meta"].get("truedy/offers").is_none());
}

in_both_eras!(a_card_goes_with_the_form_only_where_the_client_shows_it_there);
async fn a_card_goes_with_the_form_only_where_the_client_shows_it_there(era: Era) {
    let shows = Agent::with(Human::Agrees).in_era(era).showing(cards()).start().await;
    let plain = Agent::with(Human::Agrees).in_era(era).showing(pages()).start().await;
    let mut asked = Vec::new();
    for agent in [&shows, &plain] {
        agent.call("purchase_number", json!({ "phone_number": FOR_SALE, "confirm": true })).await.expect("bought");
        agent.call("release_number", json!({ "number_id": IDLE, "confirm": true })).await.expect("released");
        asked.push(agent.asked());
    }
    for (with, without) in asked[0].iter().zip(&asked[1]) {
        assert_eq!((&with.message, &with.form), (&without.message, &without.form), "the form is the same");
        assert!(!without.meta.to_string().contains("truedy"), "{without:?}");
        assert_eq!(with.meta["ui"], json!({ "resourceUri": CONFIRM }));
    }
    let facts = |at: usize| asked[0][at].meta["truedy/card"].clone();
    assert_eq!(
        facts(0),
        json!({
            "number": FOR_SALE, "shown": "+1 415 555 0110", "place": "San Francisco, CA",
            "price": "1.00 USD a month and 1.00 USD once", "releases": false, "used": 0, "limit": 10,
            "monthly_after": { "known": "1.00 USD", "priced": 1, "numbers": 13 },
        })
    );
    assert_eq!(
        facts(1),
        json!({
            "number": IDLE, "shown": "+1 312 555 0110", "place": "Chicago, IL", "number_status": "pending",
            "kind": "managed", "agents_that_fall_silent": [], "releases": true, "used": 0, "limit": 10,
        })
    );
    // An import is asked about by form alone.
    let import = json!({ "phone_number": "+16465550177", "provider_type": "telnyx", "api_key": "KEY-1" });
    shows.call("import_number", import).await.expect("imported");
    assert!(!shows.asked()[0].meta.to_string().contains("truedy"));
}

in_both_eras!(names_of_agents_stand_on_the_card_and_not_in_the_words_of_the_form);
async fn names_of_agents_stand_on_the_card_and_not_in_the_words_of_the_form(era: Era) {
    let agent = Agent::with(Human::TypesWrongDigits).in_era(era).showing(cards()).flags(&["--release-in-use"]);
    let agent = agent.start().await;
    let told = agent.call("release_number", json!({ "number_id": ANSWERED, "confirm": true })).await;
    assert_eq!(told.expect_err("other digits").status, "human_declined", "a card changes nothing in what is judged");
    let asked = agent.asked();
    let silent = &asked[0].meta["truedy/card"]["agents_that_fall_silent"];
    assert_eq!(silent, &json!([{ "agent": "Front desk", "direction": "inbound" }]));
    assert!(!asked[0].message.contains("Front desk") && asked[0].message.contains("1 assignment(s)"), "{asked:?}");
    assert_eq!(agent.leave().await.releases(), 0);
}

in_both_eras!(a_page_is_given_words_for_people_and_nothing_that_a_model_reads);
async fn a_page_is_given_words_for_people_and_nothing_that_a_model_reads(era: Era) {
    let (shows, other) = (showing(era).start().await, Agent::alone(era).start().await);
    let nowhere = json!({ "locality": "Atlantis" });
    let empty = shows.result("search_numbers", nowhere.clone()).await;
    let wider = json!({ "label": "Search all cities", "arguments": {} });
    assert_eq!(empty["_meta"]["truedy/searched"], json!({ "said": " in Atlantis", "wider": wider }));
    let wrong = json!({ "country_code": "XX" });
    let refused = shows.result("search_numbers", wrong.clone()).await;
    let why = refused["_meta"]["truedy/why"].as_str().expect("a sentence");
    assert_eq!(why, "The country is not right: no country has the code XX. Say it again in the chat.");
    let listed = shows.result("list_numbers", json!({})).await;
    let london = json!({ "shown": "+44 20 7946 0123", "place": "GB" });
    assert_eq!(listed["_meta"]["truedy/numbers"]["+442079460123"], london);
    for (tool, given) in [("search_numbers", nowhere), ("search_numbers", wrong), ("list_numbers", json!({}))] {
        let plain = other.result(tool, given.clone()).await;
        assert!(!plain.to_string().contains("truedy/"), "for pages alone: {plain}");
        let shown = shows.result(tool, given).await;
        let size = |result: &Value| result["structuredContent"].to_string().len();
        assert_eq!(size(&shown), size(&plain), "a model reads the same: {shown}");
    }
    let page = shows.resource(PICKER).await["contents"][0]["text"].to_string();
    assert!(page.contains(r#"<span class=\"amber\">Sandbox</span>"#), "{page}");
}

#[tokio::test]
async fn over_http_the_page_needs_what_the_purchase_needs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let file = file.to_str().unwrap();
    let mut made = program();
    made.args(["token", "new", "--tokens", file, "--principal", "ana", "--scopes", "numbers:read"]);
    let bearer = format!("Bearer {}", run(made, "").stdout.trim_end());
    let served = Served::start(&["--sandbox", "--ephemeral", "--tokens", file], &[]).await;
    let found = posted(&served, &bearer, "search_numbers", json!({ "area_code": "415" })).await.json();
    assert_eq!(found["result"]["structuredContent"]["status"], "ok", "{found}");
    assert!(!found.to_string().contains("truedy/offers"), "no token for who may not buy");
    let refused =
        posted(&served, &bearer, "buy_offer", json!({ "phone_number": FOR_SALE, "confirmation_token": "t" })).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("www-authenticate").unwrap().contains("numbers:purchase"), "{refused:?}");
}

in_both_eras!(a_refusal_gives_the_page_nothing_to_repeat);
async fn a_refusal_gives_the_page_nothing_to_repeat(era: Era) {
    let agent = showing(era).start().await;
    let key = "truedy_Z9y8X7w6V5u4T3s2Z9y8X7w6V5u4T3s2";
    for arguments in [json!({ "bogus": key }), json!({ "status": key }), json!({ "limit": 0 })] {
        let refused = agent.result("list_numbers", arguments).await;
        assert_eq!(status(&refused), "invalid_argument");
        assert!(!refused.to_string().contains("Z9y8") && refused["_meta"].get("truedy/query").is_none(), "{refused}");
    }
    let mut named = json!({ "phone_number": FOR_SALE, "confirmation_token": "x" });
    named[key] = json!(1);
    let refused = agent.result("buy_offer", named).await;
    assert!(!refused.to_string().contains("Z9y8"), "{refused}");
}

in_both_eras!(the_door_of_the_page_is_itself_where_no_keys_may_be_given);
async fn the_door_of_the_page_is_itself_where_no_keys_may_be_given(era: Era) {
    let agent = showing(era).flags(&["--inline-secrets", "deny"]).start().await;
    let names: Vec<&str> = agent.tools().iter().map(|tool| tool.name.as_ref()).collect();
    let count = |name: &str| names.iter().filter(|one| **one == name).count();
    assert_eq!((count("purchase_number"), count("buy_offer")), (1, 1), "{names:?}");
    let offers = search(&agent).await;
    let bought =
        agent.result("buy_offer", json!({ "phone_number": FOR_SALE, "confirmation_token": offers[FOR_SALE] })).await;
    assert_eq!(status(&bought), "purchased", "{bought}");
}
