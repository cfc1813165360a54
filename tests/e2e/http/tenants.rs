//! Tenants: each has its own Truedy, limits and view of the journal, and nothing of one shows to another.

use std::time::Instant;

use futures::future::join_all;
use serde_json::{Value, json};

use super::callers::{Files, Line, bearer, buy_it, number, release_it, say, state, status, told};
use super::tenancy::{ACME, BETA, two_tenants};
use crate::support::expected::SCOPES;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, CREDENTIALS, Gate, IMPORT, LIST, PURCHASE, Play, RELEASE, Reply, SEARCH, Seen,
    Upstream, WEBHOOK,
};
use crate::support::http_client::eventually;

const GAMMA: &str = "truedy_GammaTestKey00000000000000000000c1";

fn buy(number: &str) -> Value {
    json!({ "phone_number": number, "confirm": true })
}

/// Every key that a Truedy was shown.
fn keys(upstream: &Upstream) -> Vec<String> {
    let mut keys: Vec<String> =
        upstream.seen().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[tokio::test]
async fn each_has_its_own_key_address_caps_and_policy() {
    let (first, second, mut files) = (Upstream::start(), Upstream::start(), Files::new());
    let (kept, other) = ("+14155550150", "+14155550151");
    for upstream in [&first, &second] {
        upstream.account(|account| [kept, other].map(|number| account.add(number, true)));
    }
    let (ana, ann) = (files.token("ana", "acme", &SCOPES), files.token("ann", "acme", &SCOPES));
    let (ben, gus) = (files.token("ana", "beta", &SCOPES), files.token("gus", "gamma", &SCOPES));
    let key = files.write("gamma.key", GAMMA);
    let tenants = format!(
        "[tenants.acme]\napi_key_env = \"ACME_KEY\"\nbase_url = \"{}\"\npurchases_per_day = 1\nprotect = [\"{kept}\"]\n\
         [tenants.beta]\napi_key_command = [\"printf\", \"{BETA}\"]\nbase_url = \"{}\"\npurchases_per_day = 3\n\
         exclude_tools = [\"list_agents\"]\ncountries = [\"US\"]\n\
         [tenants.gamma]\napi_key_file = \"{key}\"\nbase_url = \"{}\"\nread_only = true\n",
        first.base_url(),
        second.base_url(),
        second.base_url()
    );
    let served = files.serve_tenants(&tenants, &["--ask", "off"], &[("ACME_KEY", ACME)]).await;
    for token in [&ana, &ben] {
        assert_eq!(served.call(token, "list_numbers", json!({})).await["status"], "ok");
    }
    assert_eq!(keys(&first), [bearer(ACME)]);
    assert_eq!(keys(&second), [bearer(BETA)]);
    assert_eq!(served.call(&gus, "list_numbers", json!({})).await["status"], "ok");
    assert_eq!(keys(&second), [bearer(BETA), bearer(GAMMA)]);
    // The cap of one is used up by all its people together, and is nobody else's.
    assert_eq!(served.call(&ana, "purchase_number", buy(&number(160))).await["status"], "purchased");
    for token in [&ana, &ann] {
        let refused = served.call(token, "purchase_number", buy(&number(161))).await;
        assert_eq!(refused["rule"], "purchases_per_day", "{refused}");
    }
    for last in [160, 161, 162] {
        assert_eq!(served.call(&ben, "purchase_number", buy(&number(last))).await["status"], "purchased");
    }
    assert_eq!(served.call(&ben, "purchase_number", buy(&number(163))).await["rule"], "purchases_per_day");
    assert_eq!((first.count(PURCHASE), second.count(PURCHASE)), (1, 3));
    // So are what is protected, what is left out, and where nothing is changed.
    let release = |number: &str| json!({ "number_id": number, "confirm": true });
    assert_eq!(served.call(&ana, "release_number", release(kept)).await["rule"], "protect");
    assert_eq!(served.call(&ben, "release_number", release(kept)).await["status"], "released");
    let tools = |token: &str| {
        let bearer = bearer(token);
        let served = &served;
        async move { served.tools(&[("authorization", &bearer)]).await }
    };
    assert_eq!((tools(&ana).await.len(), tools(&ben).await.len(), tools(&gus).await.len()), (13, 12, 8));
    assert_eq!(served.call(&gus, "release_number", release(other)).await["rule"], "read_only");
    assert_eq!((first.count(RELEASE), second.count(RELEASE)), (0, 1));
}

#[tokio::test]
async fn the_journal_of_one_is_not_seen_by_another() {
    let (first, second, mut files) = (Upstream::start(), Upstream::start(), Files::new());
    let (ana, bea) = (files.token("ana", "acme", &SCOPES), files.token("ana", "beta", &SCOPES));
    let ben = files.token("ben", "beta", &SCOPES);
    let served = two_tenants(&files, (&first, &second), &["--ask", "off"]).await;
    // The answer is lost: whether it was bought is not known.
    second.always(PURCHASE, Play::Close);
    assert_eq!(served.call(&ana, "purchase_number", buy(&number(160))).await["status"], "purchased");
    let lost = served.call(&bea, "purchase_number", buy(&number(161))).await;
    assert_eq!(lost["status"], "outcome_unknown", "{lost}");
    let journal = |token: &str, filter: Value| {
        let (token, served) = (token.to_owned(), &served);
        async move { served.call(&token, "list_operations", filter).await }
    };
    let (ours, theirs) = (journal(&ana, json!({})).await, journal(&bea, json!({})).await);
    assert!(ours.to_string().contains(&number(160)) && !ours.to_string().contains(&number(161)), "{ours}");
    assert!(theirs.to_string().contains(&number(161)) && !theirs.to_string().contains(&number(160)), "{theirs}");
    assert_eq!((&ours["unresolved"], &theirs["unresolved"]), (&json!(0), &json!(1)));
    let (ours, theirs) = (&ours["operations"][0]["id"], &theirs["operations"][0]["id"]);
    assert!(ours.is_string() && theirs.is_string());
    for filter in [json!({ "id": theirs }), json!({ "object": number(161) }), json!({ "state": "unknown" })] {
        let found = journal(&ana, filter.clone()).await;
        assert_eq!((&found["operations"], &found["unresolved"]), (&json!([]), &json!(0)), "{filter}");
    }
    assert_eq!(journal(&bea, json!({ "id": ours })).await["operations"], json!([]));
    // What is not known stops the one who began it, and neither her namesake elsewhere nor her colleague.
    second.always(PURCHASE, Play::Usual);
    assert_eq!(served.call(&ana, "purchase_number", buy(&number(161))).await["status"], "purchased");
    assert_eq!(served.call(&bea, "purchase_number", buy(&number(162))).await["status"], "operation_unresolved");
    assert_eq!(served.call(&ben, "purchase_number", buy(&number(162))).await["status"], "purchased");
    // What another has is not there: in the same words as what nobody has.
    let absent = served.call(&bea, "release_number", json!({ "number_id": number(160), "confirm": true })).await;
    let nobodys = served.call(&bea, "release_number", json!({ "number_id": number(999), "confirm": true })).await;
    let words = |answer: &Value, number: &str| answer.to_string().replace(number, "N");
    assert_eq!(words(&absent, &number(160)), words(&nobodys, &number(999)));
}

#[tokio::test]
async fn what_is_sealed_for_one_is_of_no_use_to_another() {
    let (first, second, mut files) = (Upstream::start(), Upstream::start(), Files::new());
    let kept = "+14155550150";
    for upstream in [&first, &second] {
        upstream.account(|account| account.add(kept, true));
    }
    let (ana, ann) = (files.token("ana", "acme", &SCOPES), files.token("ann", "acme", &SCOPES));
    let bea = files.token("ana", "beta", &SCOPES);
    let served = two_tenants(&files, (&first, &second), &["--gate", "token"]).await;
    // The token of a preview.
    let preview = served.call(&ana, "purchase_number", buy(&number(160))).await;
    assert_eq!(preview["status"], "confirmation_required", "{preview}");
    let confirmed = &preview["next"]["arguments"];
    for token in [&ann, &bea] {
        let refused = served.call(token, "purchase_number", confirmed.clone()).await;
        assert_eq!(refused["status"], "confirmation_invalid", "{refused}");
    }
    assert_eq!(served.call(&ana, "purchase_number", confirmed.clone()).await["status"], "purchased");
    // The state of a question.
    let release = json!({ "number_id": kept, "confirm": true });
    let preview = served.call(&ana, "release_number", release.clone()).await;
    let release = preview["next"]["arguments"].clone();
    assert!(release["confirmation_token"].is_string(), "{preview}");
    let asked = state(&say(&served, &ana, ("release_number", &release), None).await);
    for token in [&ann, &bea] {
        let refused = say(&served, token, ("release_number", &release), Some((&asked, release_it(kept)))).await;
        assert_eq!(status(&refused), "confirmation_invalid", "{refused}");
    }
    drop(served);
    // The same without a token beside it.
    let served = two_tenants(&files, (&first, &second), &[]).await;
    let buying = buy(&number(170));
    let asked = state(&say(&served, &ana, ("purchase_number", &buying), None).await);
    for token in [&ann, &bea] {
        let again = say(&served, token, ("purchase_number", &buying), Some((&asked, buy_it()))).await;
        assert_ne!(state(&again), asked);
    }
    assert_eq!((first.count(RELEASE), second.count(RELEASE), second.count(PURCHASE)), (0, 0, 0));
    let bought = say(&served, &ana, ("purchase_number", &buying), Some((&asked, buy_it()))).await;
    assert_eq!(status(&bought), "purchased", "{bought}");
}

#[tokio::test]
async fn what_one_gives_as_a_secret_is_not_taken_out_of_what_another_reads() {
    let (first, second, mut files) = (Upstream::start(), Upstream::start(), Files::new());
    let (ana, bea) = (files.token("ana", "acme", &SCOPES), files.token("bea", "beta", &SCOPES));
    let gate = Gate::new();
    first.always(IMPORT, Play::Behind(gate.clone(), Box::new(Play::Usual)));
    let served = two_tenants(&files, (&first, &second), &["--ask", "off"]).await;
    let import = json!({ "phone_number": number(160), "provider_type": "telnyx", "api_key": "Front desk" });
    let importing = served.call(&ana, "import_number", import);
    let reading = async {
        eventually("it is not imported", async || first.count(IMPORT) == 1).await;
        let agents = served.call(&bea, "list_agents", json!({})).await;
        gate.open();
        agents
    };
    let (_, agents) = tokio::join!(importing, reading);
    assert!(agents.to_string().contains("Front desk"), "{agents}");
}

/// What a Truedy with many accounts answers: everything it says is marked as the account's.
fn marked(seen: &Seen) -> Play {
    let (mark, area) = match seen.header("authorization") {
        Some(key) if key.contains(ACME) => ("acme", "415"),
        Some(key) if key.contains(BETA) => ("beta", "212"),
        other => panic!("whose is {other:?}?"),
    };
    let meta = json!({ "request_id": format!("req-{mark}") });
    let row = |n: usize| {
        json!({
            "id": format!("{mark}-number-{n}"), "phone_number": format!("+1{area}555{n:04}"), "status": "active",
            "is_trudy_managed": true, "inbound_agent_id": format!("{mark}-agent"), "outbound_agent_id": null
        })
    };
    let rows: Vec<Value> = (100..105).map(row).collect();
    let agent = json!({
        "id": format!("{mark}-agent"), "name": format!("The {mark} desk"), "status": "active",
        "inbound_phone_numbers": rows, "outbound_phone_numbers": []
    });
    let page = |rows: &[Value]| {
        let pagination = json!({ "total": rows.len(), "limit": 100, "offset": 0, "has_more": false });
        Play::json(200, &json!({ "data": rows, "pagination": pagination, "meta": meta }))
    };
    let data = |data: Value| Play::json(200, &json!({ "data": data, "meta": meta }));
    match () {
        () if seen.is(LIST) => page(&rows),
        () if seen.is(AGENTS) => page(&[agent]),
        () if seen.is(CREDENTIALS) => data(
            json!([{ "id": format!("{mark}-credential"), "provider_type": "twilio", "name": format!("{mark} carrier") }]),
        ),
        () if seen.is(SEARCH) => data(
            json!([{ "phone_number": format!("+1{area}5550199"), "monthly_cost": "1.00", "currency": "USD", "locality": format!("{mark} town") }]),
        ),
        () if seen.is(AGENT_NUMBERS) => data(json!({ "inbound": rows, "outbound": [] })),
        () if seen.is(WEBHOOK) => {
            data(json!({ "webhook_url": format!("https://api.ultravox.ai/api/agents/{mark}-agent/telephony_xml") }))
        }
        () if seen.is(ASSIGN) => data(seen.json()),
        // An error has the account's words in it.
        () => Play::Answer(Reply::json(
            422,
            &json!({ "error": { "code": "unprocessable", "message": format!("the account {mark} says no") }, "meta": meta }),
        )),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_the_calls_of_two_are_mixed_none_reads_what_is_the_others() {
    const LINES: usize = 100;
    let calls = told("TRUEDY_INTERLEAVED", 2_000);
    let (upstream, mut files) = (Upstream::start(), Files::new());
    for route in [LIST, AGENTS, CREDENTIALS, SEARCH, AGENT_NUMBERS, WEBHOOK, ASSIGN, PURCHASE, RELEASE] {
        upstream.on(route, |seen, _| marked(seen));
    }
    // Both at one address, so that nothing but the key tells them apart; the people of both have the same names.
    let tokens: Vec<(usize, String)> =
        (0..16).map(|n| (n % 2, files.token(&format!("p{}", n / 2), ["acme", "beta"][n % 2], &SCOPES))).collect();
    let served =
        two_tenants(&files, (&upstream, &upstream), &["--purchases-per-day", "unlimited", "--ask", "off"]).await;
    let begun = Instant::now();
    let lines = (0..LINES).map(|line| {
        let (tenant, token) = tokens[line % tokens.len()].clone();
        let served = &served;
        async move {
            let (own, foreign) =
                [(["acme", "+1415"], ["beta", "+1212"]), (["beta", "+1212"], ["acme", "+1415"])][tenant];
            let mut line_open = Line::open(served, &token).await;
            for n in (line..calls).step_by(LINES) {
                let (own_number, area) = (format!("{}555{:04}", own[1], 100 + n % 5), own[1]);
                let (tool, arguments) = match n % 11 {
                    0 | 1 => ("list_numbers", json!({})),
                    2 => ("list_agents", json!({})),
                    3 => ("list_credentials", json!({})),
                    4 => ("search_numbers", json!({ "area_code": &area[2..] })),
                    5 => ("get_agent_numbers", json!({ "agent_id": format!("The {} desk", own[0]) })),
                    6 => ("get_webhook_url", json!({ "agent_id": format!("The {} desk", own[0]) })),
                    7 => (
                        "purchase_number",
                        json!({ "phone_number": format!("{area}555{n:04}", n = 200 + n % 9_000), "confirm": true }),
                    ),
                    8 => ("release_number", json!({ "number_id": own_number, "confirm": true })),
                    // What is the other's is not there.
                    9 => ("get_agent_numbers", json!({ "agent_id": format!("{}-agent", own[0]) })),
                    _ => ("list_operations", json!({})),
                };
                let answer = line_open.call(tool, &arguments).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                let text = &answer.body;
                for tag in foreign.iter().chain(&[ACME, BETA]) {
                    assert!(!text.contains(tag), "{tag} in an answer to {}: {tool} {arguments}: {text}", own[0]);
                }
                let says_own = own.iter().any(|tag| text.contains(tag));
                assert!(says_own || n % 11 == 10, "nothing of its own: {tool} {arguments}: {text}");
            }
        }
    });
    join_all(lines).await;
    println!("{calls} calls of two tenants in {:.1} s", begun.elapsed().as_secs_f64());
    assert!(upstream.count(PURCHASE) > 0 && upstream.count(AGENT_NUMBERS) > 0);
}
