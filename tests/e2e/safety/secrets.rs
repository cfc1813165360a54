//! Keys, tokens and passwords go to Truedy and nowhere else: not to standard output, not into logs however loud, not into
//! results, in no encoding in which Truedy may send them back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::support::era::Era;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, CREDENTIALS, FRONT_DESK, FRONT_OFFICE, Gate, IMPORT, LIST, PURCHASE, Play, RELEASE,
    SEARCH, UNASSIGN, Upstream, WEBHOOK,
};
use crate::support::program::{KEY, LONG, Ran, at_once, program, run, server};
use crate::support::raw_client::Wire;
use crate::support::sample::share;
use crate::support::secrets::{
    API_KEY, AUTH_TOKEN, SIP_PASSWORD, TRUEDY, created, errors, list, nowhere, packed, read_in, reply, row, rows,
    written,
};

#[test]
fn the_finder_of_these_tests_finds_every_form() {
    for secret in [TRUEDY, API_KEY, AUTH_TOKEN, SIP_PASSWORD] {
        for (name, form) in written(secret).into_iter().chain(packed(secret)) {
            assert!(read_in(&format!("x {form} y"), secret).is_some(), "{name}: {form}");
            assert!(read_in(&json!({ "t": json!({ "u": form }).to_string() }).to_string(), secret).is_some(), "{name}");
        }
        assert_eq!(read_in("[redacted] and nothing else", secret), None);
    }
}

const PURCHASED: &str = "+14155550111";

/// Calls every tool that carries a secret of its own, while Truedy repeats it; the answers, one a line.
fn with_own_secrets(wire: &mut Wire, upstream: &Upstream, every: usize) -> Vec<String> {
    let mut told = Vec::new();
    let sip = json!({
        "phone_number": "+14155550112", "provider_type": "custom_sip", "sip_username": "trunk",
        "sip_server": "sip.example.com", "sip_password": SIP_PASSWORD
    });
    let twilio = json!({
        "phone_number": "+14155550113", "provider_type": "twilio", "account_sid": "AC00000000000000000000000000000001", "api_key": API_KEY,
        "auth_token": AUTH_TOKEN
    });
    for (tool, arguments, route, secret) in [
        ("search_numbers", json!({ "api_key": API_KEY }), SEARCH, API_KEY),
        (
            "purchase_number",
            json!({ "phone_number": PURCHASED, "api_key": API_KEY, "confirm": true }),
            PURCHASE,
            API_KEY,
        ),
        ("import_number", sip, IMPORT, SIP_PASSWORD),
        ("import_number", twilio.clone(), IMPORT, API_KEY),
        ("import_number", twilio, IMPORT, AUTH_TOKEN),
    ] {
        upstream.always(LIST, Play::json(200, &json!({ "data": [] })));
        for (turn, (name, echo)) in share(every, written(secret).into_iter().chain(packed(secret)).enumerate()) {
            let bodies = errors(&echo);
            upstream.always(route, reply(400, &bodies[turn % bodies.len()], &echo));
            let called = wire.call(tool, arguments.clone());
            assert!(called.is_error(), "{tool}, {name}: {}", called.0);
            told.push(called.0.to_string());
        }
        // A yes that repeats it. Truedy shows the number in its list at once, with the secret beside it.
        for (_, echo) in written(secret).into_iter().chain(packed(secret)).step_by(5) {
            let number = arguments["phone_number"].clone();
            let made = if route == SEARCH { list(rows(secret), &echo) } else { created(&echo, &number) };
            upstream.always(route, reply(200, &made, &echo));
            upstream.on(LIST, move |_, account| {
                // Not there before, there afterwards.
                account.offers.push(json!(null));
                let mut listed = row("n1", &echo);
                listed["phone_number"] = number.clone();
                let there = if account.offers.len() % 2 == 0 { json!([listed]) } else { json!([]) };
                reply(200, &list(there, &echo), &echo)
            });
            let called = wire.call(tool, arguments.clone());
            assert!(!called.is_error(), "{tool}: {}", called.0);
            told.push(called.0.to_string());
        }
    }
    told
}

/// Calls every tool while Truedy repeats its own key, in failures and in names; the answers, one a line.
fn with_truedys_key(wire: &mut Wire, upstream: &Upstream, every: usize) -> Vec<String> {
    let mut told = Vec::new();
    let friendly = |echo: &str| {
        for route in [LIST, SEARCH, CREDENTIALS, AGENTS] {
            upstream.always(route, reply(200, &list(rows(TRUEDY), echo), echo));
        }
        let held =
            json!({ "data": { "inbound": rows(TRUEDY), "outbound": rows(TRUEDY) }, "meta": { "request_id": echo } });
        upstream.always(AGENT_NUMBERS, reply(200, &held, echo));
        let url = format!("https://api.ultravox.ai/{echo}?k={echo}");
        upstream.always(WEBHOOK, reply(200, &json!({ "data": { "webhook_url": url } }), echo));
        for route in [PURCHASE, IMPORT, ASSIGN, UNASSIGN, RELEASE] {
            upstream.always(route, reply(400, &errors(echo)[0], echo));
        }
    };
    let import = json!({ "phone_number": PURCHASED, "provider_type": "telnyx", "api_key": "KEYx" });
    for (at, (turn, (_, echo))) in
        share(every, written(TRUEDY).into_iter().chain(packed(TRUEDY)).enumerate()).enumerate()
    {
        let bodies = errors(&echo);
        let failure = reply([400, 401, 404][turn % 3], &bodies[turn % bodies.len()], &echo);
        upstream.always(CREDENTIALS, failure.clone());
        told.push(wire.call("list_credentials", json!({})).0.to_string());
        // Each list holds every form, so that two turns with all tools say enough.
        if at % 12 != 0 {
            continue;
        }
        for (tool, arguments, route) in [
            ("list_numbers", json!({}), LIST),
            ("list_numbers", json!({ "status": "active" }), LIST),
            ("search_numbers", json!({}), SEARCH),
            ("purchase_number", json!({ "phone_number": PURCHASED, "confirm": true }), PURCHASE),
            ("import_number", import.clone(), IMPORT),
            (
                "assign_number",
                json!({ "number_id": "n1", "agent_id": FRONT_OFFICE, "assignment_type": "outbound" }),
                ASSIGN,
            ),
            ("unassign_number", json!({ "number_id": "n1", "assignment_type": "inbound" }), UNASSIGN),
            ("release_number", json!({ "number_id": "n1", "confirm": true }), RELEASE),
            ("release_number", json!({ "number_id": "n1" }), RELEASE),
            ("get_agent_numbers", json!({ "agent_id": FRONT_DESK }), AGENT_NUMBERS),
            ("get_agent_numbers", json!({ "agent_id": "nobody" }), AGENT_NUMBERS),
            ("get_webhook_url", json!({ "agent_id": FRONT_DESK }), WEBHOOK),
            ("diagnose_number", json!({ "number_id": "n1" }), LIST),
            ("list_credentials", json!({}), CREDENTIALS),
            ("list_agents", json!({}), AGENTS),
        ] {
            friendly(&echo);
            told.push(wire.call(tool, arguments.clone()).0.to_string());
            upstream.always(route, failure.clone());
            told.push(wire.call(tool, arguments).0.to_string());
        }
    }
    told
}

/// Lets Truedy repeat every secret it is sent to a program of this loudness, and finds none of them anywhere.
/// One of `every` forms is tried singly.
fn no_echo_gets_through(rust_log: &str, format: &str, every: usize) {
    let upstream = Upstream::start();
    let mut command = server(&upstream.base_url());
    command.env("TRUEDY_API_KEY", TRUEDY).env("RUST_LOG", rust_log).args(["--log-format", format]);
    let mut wire = Wire::open(command, Era::Legacy);
    let told = [with_own_secrets(&mut wire, &upstream, every), with_truedys_key(&mut wire, &upstream, every)].concat();
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
    let redacted = told.iter().filter(|answer| answer.contains("[redacted]")).count();
    assert!(redacted * 10 > told.len() * 8, "only {redacted} of {} echoes came back", told.len());
    let sent = upstream.seen();
    let sent: String =
        sent.iter().map(|seen| format!("{} {}", seen.body, seen.header("authorization").unwrap_or_default())).collect();
    for secret in ALL {
        assert!(read_in(&sent, secret).is_some(), "{secret} was not even sent");
    }
    nowhere("a result", &told.join("\n"), &ALL);
    nowhere("standard output", &wire.running.stdout(), &ALL);
    let stderr = wire.running.stderr();
    assert!(stderr.contains("INFO") && stderr.contains("DEBUG"), "nothing was logged: {stderr}");
    nowhere("standard error", &stderr, &ALL);
}

const ALL: [&str; 4] = [TRUEDY, API_KEY, AUTH_TOKEN, SIP_PASSWORD];

#[test]
fn no_secret_comes_back_in_results_or_logs_at_the_loudest() {
    no_echo_gets_through("trace", "json", 3);
}

#[test]
fn no_secret_comes_back_in_logs_of_other_crates_that_are_asked_for() {
    no_echo_gets_through(
        "rmcp=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,truedy_mcp=debug",
        "text",
        8,
    );
}

#[test]
fn a_lost_answer_that_repeats_a_secret_does_not_show_it() {
    let words = [
        format!("Failed to import number: Telnyx API error: 422 - {API_KEY} {AUTH_TOKEN}"),
        format!("Failed to import number: {API_KEY} is not configured"),
    ];
    at_once(words, |message| {
        let upstream = Upstream::start();
        upstream
            .always(IMPORT, Play::json(422, &json!({ "error": { "code": "validation_error", "message": message } })));
        let mut command = server(&upstream.base_url());
        command.env("TRUEDY_API_KEY", TRUEDY).env("RUST_LOG", "trace");
        let mut wire = Wire::open(command, Era::Modern);
        let called = wire.call(
            "import_number",
            json!({ "phone_number": PURCHASED, "provider_type": "twilio", "api_key": API_KEY, "auth_token": AUTH_TOKEN }),
        );
        let said = called.object()["truedy_says"].as_str().unwrap_or_default();
        assert!(called.is_error() && said.contains("[redacted]"), "{}", called.0);
        nowhere("a result", &called.0.to_string(), &ALL);
        nowhere("standard error", &wire.running.stderr(), &ALL);
    });
}

#[test]
fn a_key_that_cannot_be_seen_in_an_id_does_not_reach_the_journal() {
    let (upstream, home) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (first, rest) = KEY.split_at(KEY.len() / 2);
    upstream.account(|account| {
        account.add("+14155550100", true);
        account.numbers[0]["inbound_agent_id"] = json!(format!("{first}\u{200b}{rest}"));
    });
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(home.path());
    let mut wire = Wire::open(command, Era::Modern);
    let called = wire.call("unassign_number", json!({ "number_id": "+14155550100", "assignment_type": "inbound" }));
    assert_eq!(called.status(), "unassigned", "{}", called.0);
    wire.running.close();
    let files: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("journal.sqlite")), "{files:?}");
    for file in files {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(KEY), "{}", file.display());
    }
}

#[test]
fn secrets_that_truedy_should_not_send_are_not_passed_on() {
    // Of nobody who called: whatever stands in a field that no tool shows stays behind.
    let foreign = "Fc4nary-of-somebody-else-8421";
    let upstream = Upstream::start();
    upstream.account(|account| {
        let hidden = json!({
            "api_key": foreign, "auth_token": foreign, "sip_password": foreign, "crm_webhook_secret": foreign,
            "system_prompt": foreign, "credentials": { "api_key": [foreign] }, "token": { "value": foreign }
        });
        account.add("+14155550100", true);
        account.credentials.push(json!({ "id": "c1", "provider_type": "telnyx", "friendly_name": "Main line" }));
        account.offers.push(json!({ "phone_number": "+14155550101" }));
        let rows = [&mut account.numbers, &mut account.credentials, &mut account.offers, &mut account.agents];
        for row in rows.into_iter().flatten() {
            row.as_object_mut().unwrap().extend(hidden.as_object().unwrap().clone());
        }
    });
    let data = json!({ "number_id": "n9", "credential_id": "c9", "api_key": foreign, "purchase_response": { "data": { "status": "pending", "secret": foreign } } });
    upstream.always(PURCHASE, Play::json(200, &json!({ "data": data, "api_key": foreign })));
    upstream.always(IMPORT, Play::json(200, &json!({ "data": data, "meta": { "api_key": foreign } })));
    let mut command = server(&upstream.base_url());
    command.env("RUST_LOG", "trace");
    let mut wire = Wire::open(command, Era::Modern);
    for (tool, arguments, status) in [
        ("list_numbers", json!({}), "ok"),
        ("search_numbers", json!({}), "ok"),
        ("list_agents", json!({}), "ok"),
        ("list_credentials", json!({}), "ok"),
        ("get_agent_numbers", json!({ "agent_id": "Front desk" }), "ok"),
        ("get_webhook_url", json!({ "agent_id": "Front desk" }), "ok"),
        ("diagnose_number", json!({ "number_id": "+14155550100" }), "ok"),
        (
            "assign_number",
            json!({ "number_id": "+14155550100", "agent_id": "Front desk", "assignment_type": "inbound" }),
            "assigned",
        ),
        ("unassign_number", json!({ "number_id": "+14155550100", "assignment_type": "inbound" }), "unassigned"),
        ("release_number", json!({ "number_id": "+14155550100" }), "confirmation_required"),
    ] {
        let called = wire.call(tool, arguments);
        assert_eq!(called.status(), status, "{tool}: {}", called.0);
    }
    let ids = [
        wire.send_call("purchase_number", json!({ "phone_number": PURCHASED, "confirm": true })),
        wire.send_call(
            "import_number",
            json!({ "phone_number": "+14155550112", "provider_type": "telnyx", "api_key": "KEYx" }),
        ),
    ];
    assert_eq!(ids.map(|id| wire.called(id).status().to_owned()), ["purchased", "imported"]);
    nowhere("standard output", &wire.running.stdout(), &[foreign]);
    nowhere("standard error", &wire.running.stderr(), &[foreign]);
}

#[test]
fn two_calls_at_once_keep_each_others_secrets() {
    // The first call's secret comes back in the answer to the second, while the first still runs.
    let upstream = Upstream::start();
    let gate = Gate::new();
    let behind = gate.clone();
    upstream.on(SEARCH, move |seen, _| match seen.says("api_key").as_str() {
        API_KEY => Play::Behind(behind.clone(), Box::new(Play::Usual)),
        _ => reply(400, &errors(API_KEY)[0], API_KEY),
    });
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    let first = wire.send_call("search_numbers", json!({ "api_key": API_KEY }));
    upstream.wait_for(SEARCH, 1);
    let second = wire.call("search_numbers", json!({}));
    assert!(second.is_error());
    nowhere("a result", &second.0.to_string(), &ALL);
    gate.open();
    assert_eq!(wire.called(first).status(), "ok");
}

#[test]
fn what_is_wrong_with_a_secret_is_told_without_repeating_it() {
    let upstream = Upstream::start();
    let mut command = server(&upstream.base_url());
    command.env("RUST_LOG", "trace");
    let mut wire = Wire::open(command, Era::Legacy);
    let long = format!("{API_KEY}{}", "x".repeat(600));
    let broken = [
        json!([API_KEY]),
        json!({ "key": API_KEY }),
        json!(long),
        json!(format!("{API_KEY}\n")),
        json!(format!("{API_KEY}\u{7f}")),
        json!(format!("ключ{API_KEY}")),
    ];
    for value in &broken {
        for (tool, field, others) in [
            ("search_numbers", "api_key", json!({})),
            ("purchase_number", "api_key", json!({ "phone_number": PURCHASED, "confirm": true })),
            ("import_number", "api_key", json!({ "phone_number": PURCHASED, "provider_type": "telnyx" })),
            (
                "import_number",
                "auth_token",
                json!({ "phone_number": PURCHASED, "provider_type": "twilio", "api_key": "x" }),
            ),
            (
                "import_number",
                "sip_password",
                json!({ "phone_number": PURCHASED, "provider_type": "custom_sip", "sip_username": "t", "sip_server": "sip.example.com" }),
            ),
        ] {
            let mut arguments = others;
            arguments[field] = value.clone();
            let called = wire.call(tool, arguments.clone());
            assert_eq!(called.status(), "invalid_argument", "{tool} {field}: {}", called.0);
            assert!(called.summary().contains(field), "{}", called.0);
            // The same as a JSON text.
            assert_eq!(wire.call(tool, arguments.to_string()).status(), "invalid_argument");
        }
    }
    // Where it does not belong: a tool that takes none, a name that is not quite right, the wrong provider.
    for (tool, arguments) in [
        ("list_numbers", json!({ "api_key": API_KEY })),
        ("search_numbers", json!({ "apikey": API_KEY, "Api_Key": API_KEY })),
        ("purchase_number", json!({ "phone_number": PURCHASED, "auth_token": API_KEY })),
        (
            "import_number",
            json!({ "phone_number": PURCHASED, "provider_type": "telnyx", "api_key": "x", "auth_token": AUTH_TOKEN, "sip_password": SIP_PASSWORD }),
        ),
        (
            "import_number",
            json!({ "phone_number": PURCHASED, "provider_type": "custom_sip", "api_key": API_KEY, "auth_token": AUTH_TOKEN }),
        ),
        (
            "import_number",
            json!({ "phone_number": "415", "provider_type": "telnix", "api_key": API_KEY, "auth_token": AUTH_TOKEN, "sip_password": SIP_PASSWORD }),
        ),
    ] {
        assert_eq!(wire.call(tool, arguments).status(), "invalid_argument", "{tool}");
    }
    // The key of the server itself, in any argument.
    for arguments in [
        json!({ "number_id": KEY }),
        json!({ "number_id": "x", KEY: KEY }),
        json!({ "number_id": [KEY], "confirm": KEY }),
    ] {
        wire.call("release_number", arguments);
    }
    wire.call(KEY, json!({}));
    assert_eq!(upstream.changes(), 0);
    nowhere("standard output", &wire.running.stdout(), &[API_KEY, AUTH_TOKEN, SIP_PASSWORD, KEY]);
    nowhere("standard error", &wire.running.stderr(), &[API_KEY, AUTH_TOKEN, SIP_PASSWORD, KEY]);
}

#[test]
fn lines_that_are_no_calls_are_not_repeated_in_logs() {
    for rust_log in ["trace", "rmcp=trace", "warn"] {
        let upstream = Upstream::start();
        let mut command = server(&upstream.base_url());
        command.env("RUST_LOG", rust_log);
        let mut wire = Wire::open(command, Era::Legacy);
        let secret = json!(API_KEY);
        for line in [
            format!("{{\"jsonrpc\":\"2.0\",\"id\":900,\"method\":\"tools/call\",\"params\":{{\"api_key\":{secret}"),
            format!("{secret}"),
            format!("[{secret}]"),
            json!({ "jsonrpc": "2.0", "method": "notifications/custom", "params": { "api_key": secret } }).to_string(),
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7, "reason": secret } }).to_string(),
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": secret, "progress": 1, "message": secret } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 77, "result": { "api_key": secret } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 78, "error": { "code": 1, "message": secret } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": { "x": secret }, "method": "tools/list" }).to_string(),
            json!({ "jsonrpc": "1.0", "id": 901, "method": "tools/call", "params": { "name": "x", "arguments": { "api_key": secret } } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 902, "method": "tools/call", "params": { "arguments": { "api_key": secret } } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 903, "method": "tools/call", "params": { "name": "purchase_number", "arguments": [secret] } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 904, "method": "tools/call", "params": { "name": "buy_it", "arguments": { "api_key": secret } } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 905, "method": "tools/buy", "params": { "api_key": secret } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 906, "method": "prompts/get", "params": { "name": 5, "arguments": { "api_key": secret } } }).to_string(),
            json!({ "jsonrpc": "2.0", "id": 907, "method": "tools/call", "params": { "name": "purchase_number", "arguments": secret } }).to_string(),
            format!("{{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":[{}{secret}]}}", "1,".repeat(1 << 20)),
        ] {
            wire.raw(line.as_bytes());
            wire.raw(b"\n");
        }
        assert_eq!(wire.call("list_credentials", json!({})).status(), "ok", "the connection lives on");
        wire.running.close();
        assert_eq!(wire.running.ended(LONG), Some(0));
        nowhere(&format!("standard error at {rust_log}"), &wire.running.stderr(), &[API_KEY]);
        nowhere("standard output", &wire.running.stdout(), &[API_KEY]);
    }
}

#[test]
fn no_other_process_can_read_a_secret_in_the_arguments_of_this_one() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    fs::write(&file, TRUEDY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut by_file = program();
    by_file.args(["stdio", "--api-key-file"]).arg(&file).env("TRUEDY_BASE_URL", upstream.base_url());
    let mut by_variable = server(&upstream.base_url());
    by_variable.env("TRUEDY_API_KEY", TRUEDY);
    for command in [by_file, by_variable] {
        let mut wire = Wire::open(command, Era::Legacy);
        assert_eq!(wire.call("search_numbers", json!({ "api_key": API_KEY })).status(), "ok");
        let arguments = fs::read(format!("/proc/{}/cmdline", wire.running.id())).unwrap();
        let arguments = String::from_utf8_lossy(&arguments);
        assert!(arguments.contains("stdio"), "{arguments}");
        nowhere("the command line", &arguments, &[TRUEDY, API_KEY]);
    }
    let sent = upstream.seen();
    assert!(sent.iter().all(|seen| seen.header("authorization") == Some(&format!("Bearer {TRUEDY}"))), "{sent:?}");
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_key_file_that_others_may_read_or_that_is_no_plain_file_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link, empty, huge) =
        (dir.path().join("key"), dir.path().join("link"), dir.path().join("empty"), dir.path().join("huge"));
    fs::write(&file, TRUEDY).unwrap();
    fs::write(&empty, "").unwrap();
    fs::write(&huge, TRUEDY.repeat(200)).unwrap();
    symlink(&file, &link).unwrap();
    for path in [&empty, &huge] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (path, mode) in [
        (&file, 0o644),
        (&file, 0o640),
        (&file, 0o604),
        (&link, 0o600),
        (&empty, 0o600),
        (&huge, 0o600),
        (&dir.path().to_owned(), 0o700),
        (&dir.path().join("none"), 0),
    ] {
        if path == &file || path == &link {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        for arguments in [vec!["stdio"], vec!["call", "list_numbers"], vec![]] {
            let mut command = program();
            command.args(&arguments).env("TRUEDY_API_KEY_FILE", path);
            let ran = run(command, "");
            assert_eq!(ran.code, Some(2), "{path:?} {mode:o} {arguments:?}: {}", ran.stderr);
            assert_eq!((ran.stderr.lines().count(), ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
            assert!(ran.stderr.contains(&path.display().to_string()), "{}", ran.stderr);
            nowhere("standard error", &ran.stderr, &[TRUEDY]);
        }
    }
}

#[test]
fn the_variable_wins_over_the_file() {
    let upstream = Upstream::start();
    let mut command = server(&upstream.base_url());
    command.env("TRUEDY_API_KEY_FILE", "/nowhere/at/all");
    let mut wire = Wire::open(command, Era::Legacy);
    assert_eq!(wire.call("list_credentials", json!({})).status(), "ok");
    assert_eq!(upstream.seen()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

fn call(upstream: &Upstream, arguments: &[&str], input: &str) -> Ran {
    let mut command = program();
    command
        .arg("call")
        .args(arguments)
        .env("TRUEDY_BASE_URL", upstream.base_url())
        .env("TRUEDY_API_KEY", TRUEDY)
        .env("RUST_LOG", "trace");
    run(command, input)
}

#[test]
fn call_takes_secrets_from_standard_input_alone() {
    let upstream = Upstream::start();
    for (tool, others) in [
        ("search_numbers", &["api_key"][..]),
        ("purchase_number", &["api_key"][..]),
        ("import_number", &["api_key", "auth_token", "sip_password"][..]),
    ] {
        for field in others {
            let pair = format!("{field}={API_KEY}");
            let inline = json!({ (*field): API_KEY }).to_string();
            for arguments in [vec![tool, &pair], vec![tool, "--json", &inline]] {
                let ran = call(&upstream, &arguments, "");
                assert_eq!(ran.code, Some(2), "{tool} {field}: {}", ran.stderr);
                assert!(ran.stderr.contains(field) && ran.stderr.contains("--json -"), "{}", ran.stderr);
                nowhere("what it printed", &(ran.stdout + &ran.stderr), &[API_KEY]);
            }
        }
    }
    assert_eq!(upstream.connections(), 0);
    let ran = call(&upstream, &["search_numbers", "--json", "-"], &json!({ "api_key": API_KEY }).to_string());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(upstream.seen()[0].says("api_key"), API_KEY);
    nowhere("what it printed", &(ran.stdout + &ran.stderr), &[API_KEY, TRUEDY]);
}

#[test]
fn call_and_doctor_do_not_print_what_truedy_repeats() {
    let answers = written(TRUEDY).into_iter().chain(packed(TRUEDY)).step_by(3).enumerate().map(|(turn, (_, echo))| {
        let (status, body) = match turn % 3 {
            0 => (401, errors(&echo)[0].clone()),
            1 => (422, errors(&echo)[2].clone()),
            _ => (200, list(json!([row("n1", &echo)]), &echo)),
        };
        reply(status, &body, &echo)
    });
    at_once(answers, |answer| {
        let upstream = Upstream::start();
        upstream.always(LIST, answer.clone()).always(AGENTS, answer);
        let ran = call(&upstream, &["list_numbers"], "");
        assert!(ran.stdout.contains("[redacted]"), "{}", ran.stdout);
        nowhere("call", &(ran.stdout + &ran.stderr), &[TRUEDY]);
        let mut command = program();
        command.arg("doctor").env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", TRUEDY);
        command.env("HOME", std::env::temp_dir()).env("RUST_LOG", "trace");
        let ran = run(command, "");
        assert!(ran.stdout.contains("truedy "), "{}", ran.stdout);
        nowhere("doctor", &(ran.stdout + &ran.stderr), &[TRUEDY]);
    });
}
