//! Carrier profiles: a number is brought, looked for or bought by the name of an account, and what the account is reached with
//! goes to Truedy and nowhere else.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::carrier_files::{
    Files, HOST, NUMBERS, SECRETS, SID, SIP_PASSWORD, TELNYX_KEY, TWILIO_KEY, TWILIO_TOKEN, USER, bodies, body, kept,
    mode, refused,
};
use crate::support::era::Era;
use crate::support::fake_truedy::{IMPORT, LIST, PURCHASE, Play, SEARCH, Upstream};
use crate::support::http_client::Served;
use crate::support::program::{KEY, LONG, at_once, program, run, server};
use crate::support::raw_client::Wire;
use crate::support::secrets::{created, errors, nowhere, packed, read_in, reply, written};

#[test]
fn a_number_of_each_carrier_is_imported_with_exactly_what_its_profile_names_and_none_of_it_shows() {
    at_once(Era::BOTH, |era| {
        let (upstream, files) = (Upstream::start(), Files::new());
        files.three();
        let mut wire = files.open(&upstream, era);
        let listed = wire.call("list_credentials", json!({}));
        let names = json!([{ "carrier": "line", "provider": "twilio" }, { "carrier": "main", "provider": "telnyx" }, { "carrier": "trunk", "provider": "custom_sip" }]);
        assert_eq!(listed.object()["local_profiles"], names, "{}", listed.0);
        for (carrier, number) in NUMBERS {
            let called = wire.call("import_number", json!({ "phone_number": number, "carrier": carrier }));
            assert_eq!(called.status(), "imported", "{}", called.0);
        }
        let expected: Vec<Value> = NUMBERS.iter().map(|(carrier, number)| body(carrier, number)).collect();
        assert_eq!(bodies(&upstream, IMPORT), expected);
        assert_eq!(wire.call("list_operations", json!({})).status(), "ok");
        let arguments = fs::read(format!("/proc/{}/cmdline", wire.running.id())).unwrap();
        wire.running.close();
        assert_eq!(wire.running.ended(LONG), Some(0));
        let mut command = program();
        command.args(["operations", "--json", "--only", "all"]).env("HOME", files.0.path()).env("TRUEDY_API_KEY", KEY);
        let operations = run(command, "");
        let told: Vec<Value> = serde_json::from_str(&operations.stdout).unwrap();
        assert_eq!(told.len(), 3, "{}", operations.stdout);
        let journal = kept(&files.path(".local"));
        assert!(journal.contains("+14155550113"), "the journal was not found");
        let stderr = wire.running.stderr();
        assert!(stderr.contains("INFO"), "nothing was logged: {stderr}");
        let all = [&SECRETS[..], &[SID, USER, HOST]].concat();
        for (what, text) in [
            ("standard output", wire.running.stdout()),
            ("standard error", stderr),
            ("the journal", journal),
            ("operations", operations.stdout + &operations.stderr),
            ("the command line", String::from_utf8_lossy(&arguments).into_owned()),
        ] {
            nowhere(what, &text, &all);
        }
    });
}

/// Imports by each profile while Truedy repeats what it is sent.
fn no_echo_gets_through(era: Era, every: usize) {
    let (upstream, files) = (Upstream::start(), Files::new());
    files.three();
    let mut wire = files.open(&upstream, era);
    let (mut told, mut echoed) = (Vec::new(), 0);
    for (carrier, secret) in
        [("main", TELNYX_KEY), ("line", TWILIO_KEY), ("line", TWILIO_TOKEN), ("trunk", SIP_PASSWORD)]
    {
        for (turn, (name, echo)) in written(secret).into_iter().chain(packed(secret)).enumerate().step_by(every) {
            let bodies = errors(&echo);
            upstream.always(IMPORT, reply(400, &bodies[turn % bodies.len()], &echo));
            let called = wire.call("import_number", json!({ "phone_number": "+14155550112", "carrier": carrier }));
            assert!(called.is_error(), "{name}: {}", called.0);
            echoed += usize::from(called.0.to_string().contains("[redacted]"));
            told.push(called.0.to_string());
        }
        // The whole of what was sent, as the framework repeats it, and a yes that does.
        upstream.on(IMPORT, |seen, _| {
            let detail = json!({ "type": "missing", "loc": ["body", "x"], "msg": seen.body, "input": seen.json() });
            Play::json(422, &json!({ "detail": [detail] }))
        });
        told.push(
            wire.call("import_number", json!({ "phone_number": "+14155550112", "carrier": carrier })).0.to_string(),
        );
        let number = format!("+14155551{:03}", told.len());
        upstream.on(IMPORT, move |seen, account| {
            account.add(&seen.says("phone_number"), false);
            reply(200, &created(secret, &json!(seen.says("phone_number"))), secret)
        });
        let called = wire.call("import_number", json!({ "phone_number": number, "carrier": carrier }));
        assert_eq!(called.status(), "imported", "{}", called.0);
        told.push(called.0.to_string());
    }
    // And when somebody else's call is answered with it.
    upstream.always(LIST, reply(400, &errors(SIP_PASSWORD)[0], SIP_PASSWORD));
    told.push(wire.call("list_numbers", json!({})).0.to_string());
    told.push(wire.call("list_operations", json!({})).0.to_string());
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
    assert!(echoed > 8, "only {echoed} echoes came back");
    let sent: String = upstream.seen().iter().map(|seen| seen.body.clone()).collect();
    assert!(SECRETS.iter().all(|secret| read_in(&sent, secret).is_some()), "not all of it was sent");
    for (what, text) in [
        ("a result", told.join("\n")),
        ("standard output", wire.running.stdout()),
        ("standard error", wire.running.stderr()),
        ("the journal", kept(&files.path(".local"))),
    ] {
        nowhere(what, &text, &SECRETS);
    }
}

#[test]
fn no_value_of_a_profile_comes_back_whatever_truedy_repeats() {
    at_once([(Era::Modern, 1), (Era::Legacy, 5)], |(era, every)| no_echo_gets_through(era, every));
}

#[test]
fn numbers_are_looked_for_and_bought_with_the_key_of_a_telnyx_profile() {
    at_once(Era::BOTH, |era| {
        let (upstream, files) = (Upstream::start(), Files::new());
        files.three();
        let mut wire = files.open(&upstream, era);
        let found = wire.call("search_numbers", json!({ "carrier": "main", "page_size": 3 }));
        assert_eq!(found.status(), "ok", "{}", found.0);
        let bought =
            wire.call("purchase_number", json!({ "phone_number": "+14155550111", "carrier": "main", "confirm": true }));
        assert_eq!(bought.status(), "purchased", "{}", bought.0);
        let searched = bodies(&upstream, SEARCH);
        let expected = json!({ "country_code": "US", "page": 1, "page_size": 3, "api_key": TELNYX_KEY });
        assert_eq!(searched.first(), Some(&expected));
        assert!(searched.iter().all(|body| body["api_key"] == json!(TELNYX_KEY)), "{searched:?}");
        let expected = json!({ "phone_number": "+14155550111", "api_key": TELNYX_KEY });
        assert_eq!(bodies(&upstream, PURCHASE), [expected]);
        for (tool, route, arguments) in [
            ("search_numbers", SEARCH, json!({ "carrier": "main" })),
            (
                "purchase_number",
                PURCHASE,
                json!({ "phone_number": "+14155550112", "carrier": "main", "confirm": true }),
            ),
        ] {
            upstream.always(route, reply(400, &errors(TELNYX_KEY)[0], TELNYX_KEY));
            let called = wire.call(tool, arguments);
            assert!(called.is_error() && called.0.to_string().contains("[redacted]"), "{}", called.0);
        }
        nowhere("standard output", &wire.running.stdout(), &SECRETS);
        nowhere("standard error", &wire.running.stderr(), &SECRETS);
        nowhere("the journal", &kept(&files.path(".local")), &SECRETS);
    });
}

#[test]
fn a_name_that_is_no_profile_is_told_those_that_are() {
    at_once(Era::BOTH, |era| {
        let (upstream, files) = (Upstream::start(), Files::new());
        files.three();
        let mut wire = files.open(&upstream, era);
        for (tool, arguments) in [
            ("import_number", json!({ "phone_number": "+14155550111", "carrier": "mian" })),
            ("search_numbers", json!({ "carrier": "mian" })),
            ("purchase_number", json!({ "phone_number": "+14155550111", "carrier": "mian" })),
        ] {
            let called = wire.call(tool, arguments);
            refused(&called, "invalid_argument", &["carrier", "line, main, trunk"]);
            assert_eq!(called.object()["problems"][0]["field"], json!("carrier"), "{}", called.0);
        }
        assert_eq!(upstream.seen().len(), 0);
    });
    let upstream = Upstream::start();
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let called = wire.call("import_number", json!({ "phone_number": "+14155550111", "carrier": "main" }));
    refused(&called, "invalid_argument", &["there is none yet", "truedy-mcp carriers add"]);
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn what_cannot_be_read_is_told_and_nothing_is_sent_and_the_server_goes_on() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let open = files.write("open", TELNYX_KEY);
    mode(Path::new(&open), 0o644);
    let ours = files.write("ours", "truedy_0123456789abcdef0123456789abcdef");
    let source =
        |name: &str, source: &str| format!("[carriers.{name}]\nprovider = \"telnyx\"\napi_key = {{ {source} }}\n");
    let sources = [
        ("unset", "env = \"NO_SUCH_KEY\"".to_owned(), "NO_SUCH_KEY"),
        ("empty", "env = \"EMPTY_KEY\"".to_owned(), "EMPTY_KEY"),
        ("open", format!("file = {open:?}"), "chmod 600"),
        ("gone", "file = \"/no/such/file\"".to_owned(), "/no/such/file"),
        ("fails", format!("command = [\"sh\", \"-c\", {:?}]", "cat \"$HOME/open\"; exit 3"), "failed"),
        ("nothing", "command = [\"true\"]".to_owned(), "printed nothing"),
        ("hangs", "command = [\"sleep\", \"600\"]".to_owned(), "did not end"),
        ("missing", "command = [\"/no/such/program\"]".to_owned(), "could not be started"),
        ("ours", format!("file = {ours:?}"), "Truedy API key"),
    ];
    files.write("config.toml", &sources.iter().map(|(name, text, _)| source(name, text)).collect::<String>());
    let mut command = files.server(&upstream);
    let mut wire = Wire::open(
        {
            command.env("EMPTY_KEY", " ");
            command
        },
        Era::Modern,
    );
    for (name, _, word) in &sources {
        let called = wire.call("import_number", json!({ "phone_number": "+14155550111", "carrier": name }));
        refused(&called, "carrier_unavailable", &["Nothing was done", word, &format!("carriers test {name}")]);
        assert_eq!(called.object()["carrier"], json!(name));
    }
    for tool in ["search_numbers", "purchase_number"] {
        let mut arguments = json!({ "carrier": "open" });
        if tool == "purchase_number" {
            arguments["phone_number"] = json!("+14155550111");
        }
        refused(&wire.call(tool, arguments), "carrier_unavailable", &["chmod 600"]);
    }
    assert_eq!(upstream.seen().len(), 0);
    mode(Path::new(&open), 0o600);
    let called = wire.call("import_number", json!({ "phone_number": "+14155550111", "carrier": "open" }));
    assert_eq!(called.status(), "imported", "{}", called.0);
    for (what, text) in [("standard output", wire.running.stdout()), ("standard error", wire.running.stderr())] {
        nowhere(what, &text, &[TELNYX_KEY, "truedy_0123456789abcdef0123456789abcdef"]);
    }
}

#[test]
fn a_profile_is_used_for_its_own_carrier_and_alone() {
    let (upstream, files) = (Upstream::start(), Files::new());
    files.three();
    let mut wire = files.open(&upstream, Era::Modern);
    let number = "+14155550111";
    for carrier in ["line", "trunk"] {
        for (tool, arguments) in [
            ("search_numbers", json!({ "carrier": carrier })),
            ("purchase_number", json!({ "phone_number": number, "carrier": carrier })),
        ] {
            refused(&wire.call(tool, arguments), "invalid_argument", &["carrier", "telnyx"]);
        }
    }
    for (tool, arguments, field) in [
        ("search_numbers", json!({ "carrier": "main", "api_key": SIP_PASSWORD }), "api_key"),
        ("purchase_number", json!({ "phone_number": number, "carrier": "main", "api_key": SIP_PASSWORD }), "api_key"),
        ("import_number", json!({ "phone_number": number, "carrier": "main", "api_key": SIP_PASSWORD }), "api_key"),
        (
            "import_number",
            json!({ "phone_number": number, "carrier": "line", "auth_token": SIP_PASSWORD }),
            "auth_token",
        ),
        (
            "import_number",
            json!({ "phone_number": number, "carrier": "trunk", "sip_server": "sip.example.com" }),
            "sip_server",
        ),
        (
            "import_number",
            json!({ "phone_number": number, "carrier": "main", "provider_type": "twilio" }),
            "provider_type",
        ),
    ] {
        let called = wire.call(tool, arguments);
        refused(&called, "invalid_argument", &[field]);
        let problem = &called.object()["problems"][0];
        let expected =
            if field == "provider_type" { "carrier alone".to_owned() } else { format!("either carrier or {field}") };
        assert_eq!((&problem["field"], &problem["expected"]), (&json!(field), &json!(expected)), "{}", called.0);
    }
    // Named twice alike is no contradiction.
    let called =
        wire.call("import_number", json!({ "phone_number": number, "carrier": "main", "provider_type": "telnyx" }));
    assert_eq!(called.status(), "imported", "{}", called.0);
    assert_eq!((upstream.changes(), upstream.count(SEARCH)), (1, 0));
    nowhere("standard output", &wire.running.stdout(), &SECRETS);
}

#[test]
fn a_host_that_the_operator_does_not_allow_is_refused_from_a_profile_too() {
    let (upstream, files) = (Upstream::start(), Files::new());
    files.three();
    let mut command = files.server(&upstream);
    command.args(["--sip-hosts", "sip.example.org"]);
    let mut wire = Wire::open(command, Era::Modern);
    let called = wire.call("import_number", json!({ "phone_number": "+14155550111", "carrier": "trunk" }));
    refused(&called, "policy_denied", &["sip_hosts"]);
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn a_key_that_is_replaced_is_used_from_the_next_call_on_and_neither_shows() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let key = files.write("key", "KEY-the-first-of-two-c4nary");
    files.write("config.toml", &format!("[carriers.main]\nprovider = \"telnyx\"\napi_key = {{ file = {key:?} }}\n"));
    let mut wire = files.open(&upstream, Era::Modern);
    let secrets = ["KEY-the-first-of-two-c4nary", "KEY-another-one-since-c4nary"];
    for (secret, number) in secrets.iter().zip(["+14155550111", "+14155550112"]) {
        files.write("key", &format!("{secret}\n"));
        let called = wire.call("import_number", json!({ "phone_number": number, "carrier": "main" }));
        assert_eq!(called.status(), "imported", "{}", called.0);
    }
    let sent: Vec<String> =
        upstream.seen().iter().filter(|seen| seen.is(IMPORT)).map(|seen| seen.says("api_key")).collect();
    assert_eq!(sent, secrets);
    for secret in secrets {
        upstream.always(LIST, reply(400, &errors(secret)[0], secret));
        let called = wire.call("list_numbers", json!({}));
        assert!(called.0.to_string().contains("[redacted]"), "{}", called.0);
    }
    nowhere("standard output", &wire.running.stdout(), &secrets);
    nowhere("standard error", &wire.running.stderr(), &secrets);
}

#[tokio::test]
async fn a_tenants_carriers_are_nobody_elses() {
    use sha2::{Digest, Sha256};
    let (acme, beta, files) = (Upstream::start(), Upstream::start(), Files::new());
    let config = files.write(
        "config.toml",
        &format!(
            "[tenants.acme]\napi_key_env = \"ACME\"\nbase_url = \"{}\"\n[tenants.acme.carriers.acme-main]\nprovider = \"telnyx\"\napi_key = {{ env = \"MAIN_KEY\" }}\n\
             [tenants.beta]\napi_key_env = \"BETA\"\nbase_url = \"{}\"\n[tenants.beta.carriers.line]\nprovider = \"twilio\"\napi_key = {{ env = \"LINE_KEY\" }}\n",
            acme.base_url(),
            beta.base_url()
        ),
    );
    let tokens = files.write(
        "tokens.toml",
        &["acme", "beta"].map(|tenant| {
            let digest: String = Sha256::digest(format!("tmcp_{tenant}")).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("[[token]]\nsha256 = \"{digest}\"\nprincipal = \"ana\"\ntenant = \"{tenant}\"\nscopes = [\"numbers:read\", \"numbers:import\", \"credentials:read\"]\n")
        })
        .concat(),
    );
    let state = files.path("state").display().to_string();
    let variables = [
        ("ACME", "truedy_AcmeAcmeAcmeAcmeAcmeAcmeAcmeAcm1"),
        ("BETA", "truedy_BetaBetaBetaBetaBetaBetaBetaBet1"),
        ("MAIN_KEY", TELNYX_KEY),
        ("LINE_KEY", TWILIO_KEY),
        ("RUST_LOG", "trace"),
    ];
    let served = Served::start(&["--tokens", &tokens, "--config", &config, "--state-dir", &state], &variables).await;
    let import = json!({ "phone_number": "+14155550111", "carrier": "acme-main" });
    let refused = served.call("tmcp_beta", "import_number", import.clone()).await;
    assert_eq!(refused["status"], json!("invalid_argument"), "{refused}");
    assert!(refused["summary"].as_str().unwrap().contains("one of line"), "{refused}");
    assert!(!refused.to_string().contains("acme"), "{refused}");
    for name in ["acme-mian", "line"] {
        let refused = served.call("tmcp_acme", "search_numbers", json!({ "carrier": name })).await;
        assert_eq!(refused["status"], json!("invalid_argument"), "{refused}");
        assert!(refused.to_string().contains("acme-main") && !refused.to_string().contains("one of line"), "{refused}");
    }
    assert_eq!((acme.seen().len(), beta.seen().len()), (0, 0));
    for (tenant, name) in [("acme", "acme-main"), ("beta", "line")] {
        let listed = served.call(&format!("tmcp_{tenant}"), "list_credentials", json!({})).await;
        let names: Vec<&Value> =
            listed["local_profiles"].as_array().unwrap().iter().map(|row| &row["carrier"]).collect();
        assert_eq!(names, [&json!(name)]);
    }
    let imported = served.call("tmcp_acme", "import_number", import).await;
    assert_eq!(imported["status"], json!("imported"), "{imported}");
    assert_eq!((bodies(&acme, IMPORT).len(), bodies(&beta, IMPORT).len()), (1, 0));
    nowhere("standard error", &served.stderr(), &SECRETS);
}
