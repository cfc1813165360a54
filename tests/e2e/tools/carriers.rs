//! Carrier profiles: a number is brought, looked for or bought by the name of an account, and what the account is reached with
//! goes to Truedy and nowhere else; and the command that keeps them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::safety::secrets::{created, errors, nowhere, packed, read_in, reply, written};
use crate::support::era::{Era, MODERN};
use crate::support::expected::TOOLS;
use crate::support::fake_truedy::{IMPORT, LIST, PURCHASE, Play, SEARCH, Upstream};
use crate::support::http_client::{Served, message};
use crate::support::program::{KEY, LONG, Ran, at_once, program, run, server};
use crate::support::raw_client::{Called, Wire};

/// One secret for each place; every kind of character that some encoding changes is in it.
const TELNYX_KEY: &str = r#"KEYc4nary/Telnyx+own=key"with\all&of%7Eit <'!*>"#;
const TWILIO_KEY: &str = r#"SKc4nary/Twilio+api=key"with\all&of%2Fit;:@,"#;
const TWILIO_TOKEN: &str = r#"Tc4nary/Twilio+auth=token"with\all&of%3Fit;:@,"#;
const SIP_PASSWORD: &str = r#"Pc4nary/SIP+pass=word"with\all&of%it #?[]$"#;
const SECRETS: [&str; 4] = [TELNYX_KEY, TWILIO_KEY, TWILIO_TOKEN, SIP_PASSWORD];
/// What is no secret, and nobody's business all the same.
const SID: &str = "ACc4a0a100112233000000000000000000";
const USER: &str = "trunk-c4nary-77";
const HOST: &str = "sip.c4nary-trunk.example.com:5061";

/// A folder with a configuration and what it names.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The configuration.
    fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// Writes a file that nobody else may read; its path.
    fn write(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        fs::write(&file, text).unwrap();
        mode(&file, 0o600);
        file.display().to_string()
    }

    /// One profile for each carrier, from every kind of source; `server` sets the variables.
    fn three(&self) {
        let (key, token) = (self.write("twilio.key", TWILIO_KEY), self.write("twilio.token", TWILIO_TOKEN));
        let password = self.write("password", SIP_PASSWORD);
        self.write(
            "config.toml",
            &format!(
                "[carriers.main]\nprovider = \"telnyx\"\napi_key = {{ env = \"MAIN_KEY\" }}\n\
                 [carriers.line]\nprovider = \"twilio\"\napi_key = {{ file = {key:?} }}\naccount_sid = {{ env = \"LINE_SID\" }}\n\
                 auth_token = {{ command = [\"cat\", {token:?}] }}\n\
                 [carriers.trunk]\nprovider = \"custom_sip\"\nsip_username = \"{USER}\"\nsip_server = \"{HOST}\"\n\
                 sip_password = {{ command = [\"cat\", {password:?}] }}\n"
            ),
        );
    }

    /// The server on this Truedy with this configuration, as loud as can be.
    fn server(&self, upstream: &Upstream) -> Command {
        let mut command = server(&upstream.base_url());
        command.args(["--imports-per-day", "unlimited"]);
        command.env("TRUEDY_MCP_CONFIG", self.config()).env("HOME", self.0.path()).env("RUST_LOG", "trace");
        command.env("MAIN_KEY", TELNYX_KEY).env("LINE_SID", SID);
        command
    }

    fn open(&self, upstream: &Upstream, era: Era) -> Wire {
        Wire::open(self.server(upstream), era)
    }

    /// `truedy-mcp carriers …` on this configuration.
    fn carriers(&self, arguments: &[&str]) -> Ran {
        self.carriers_with(arguments, &[])
    }

    fn carriers_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = program();
        command.arg("carriers").args(arguments).env("TRUEDY_MCP_CONFIG", self.config()).env("HOME", self.0.path());
        command.envs(variables.iter().copied()).current_dir(self.0.path());
        run(command, "")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    /// What lies in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn mode(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file below, one after the other: the journal with its side files, and whatever else is kept.
fn kept(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text.push_str(&if path.is_dir() {
            kept(&path)
        } else {
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
        });
    }
    text
}

/// Refused so, in both halves of the answer.
#[track_caller]
fn refused(called: &Called, status: &str, words: &[&str]) {
    assert!(called.is_error() && called.status() == status, "{}", called.0);
    for word in words {
        assert!(called.summary().contains(word), "{word}: {}", called.0);
    }
}

/// What the body of an import by this profile is.
fn body(carrier: &str, number: &str) -> Value {
    match carrier {
        "main" => json!({ "phone_number": number, "provider_type": "telnyx", "api_key": TELNYX_KEY }),
        "line" => {
            json!({ "phone_number": number, "provider_type": "twilio", "api_key": TWILIO_KEY, "account_sid": SID, "auth_token": TWILIO_TOKEN })
        }
        _ => {
            json!({ "phone_number": number, "provider_type": "custom_sip", "sip_username": USER, "sip_password": SIP_PASSWORD, "sip_server": HOST })
        }
    }
}

/// The bodies that an upstream was sent on a route.
fn bodies(upstream: &Upstream, route: &str) -> Vec<Value> {
    upstream.seen().iter().filter(|seen| seen.is(route)).map(|seen| seen.json()).collect()
}

const NUMBERS: [(&str, &str); 3] = [("main", "+14155550111"), ("line", "+14155550112"), ("trunk", "+14155550113")];

// --- By the name of an account -------------------------------------------------------------------------------------

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
        command.args(["operations", "--json"]).env("HOME", files.0.path()).env("TRUEDY_API_KEY", KEY);
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

// --- Where keys do not belong ---------------------------------------------------------------------------------------

const RAW: [&str; 6] = ["api_key", "account_sid", "auth_token", "sip_username", "sip_password", "sip_server"];

/// Which tools take a carrier's keys themselves.
fn with_raw_fields(tools: &Value) -> Vec<String> {
    let tools = tools["tools"].as_array().unwrap_or_else(|| panic!("no tools: {tools}"));
    assert_eq!(tools.len(), TOOLS.len());
    let has = |tool: &&Value| RAW.iter().any(|field| tool["inputSchema"]["properties"].get(field).is_some());
    tools.iter().filter(has).map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn tools_of_the_command(arguments: &[&str]) -> Value {
    let mut command = program();
    command.args(["tools", "--json"]).args(arguments);
    serde_json::from_str(&run(command, "").stdout).unwrap()
}

#[test]
fn where_the_operator_wants_no_keys_in_conversations_no_schema_has_them_and_a_call_that_does_is_refused() {
    let takers = ["search_numbers", "purchase_number", "import_number"];
    assert_eq!(with_raw_fields(&tools_of_the_command(&[])), takers);
    assert_eq!(with_raw_fields(&tools_of_the_command(&["--inline-secrets", "deny"])), [""; 0]);
    at_once(Era::BOTH, |era| {
        let (upstream, files) = (Upstream::start(), Files::new());
        files.three();
        let mut allowed = files.open(&upstream, era);
        assert_eq!(with_raw_fields(&allowed.ask("tools/list", json!({}))["result"]), takers);
        let mut command = files.server(&upstream);
        command.args(["--inline-secrets", "deny"]);
        let mut wire = Wire::start(command, era);
        let hello = wire.begin();
        assert!(hello.to_string().contains("carrier keys from profiles or the user's page only"), "{hello}");
        assert_eq!(with_raw_fields(&wire.ask("tools/list", json!({}))["result"]), [""; 0]);
        let import = |fields: Value| {
            let mut arguments = json!({ "phone_number": "+14155550111" });
            arguments.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            arguments
        };
        for (tool, arguments) in [
            ("search_numbers", json!({ "api_key": SIP_PASSWORD })),
            ("purchase_number", import(json!({ "api_key": SIP_PASSWORD }))),
            ("import_number", import(json!({ "provider_type": "telnyx", "api_key": SIP_PASSWORD }))),
            (
                "import_number",
                import(
                    json!({ "provider_type": "twilio", "api_key": SIP_PASSWORD, "account_sid": "AC00000000000000000000000000000001", "auth_token": TWILIO_TOKEN }),
                ),
            ),
            (
                "import_number",
                import(
                    json!({ "provider_type": "custom_sip", "sip_username": "u", "sip_password": SIP_PASSWORD, "sip_server": "sip.example.com" }),
                ),
            ),
        ] {
            let called = wire.call(tool, arguments);
            refused(&called, "policy_denied", &["Nothing was done", "inline_secrets", "carrier"]);
            assert_eq!(called.object()["rule"], json!("inline_secrets"), "{}", called.0);
        }
        assert_eq!(upstream.seen().len(), 0);
        let called = wire.call("import_number", json!({ "phone_number": "+14155550111", "carrier": "main" }));
        assert_eq!(called.status(), "imported", "{}", called.0);
        assert_eq!(bodies(&upstream, IMPORT), [body("main", "+14155550111")]);
        assert_eq!(wire.call("search_numbers", json!({ "carrier": "main" })).status(), "ok");
        nowhere("standard output", &wire.running.stdout(), &SECRETS);
        nowhere("standard error", &wire.running.stderr(), &SECRETS);
        nowhere("the journal", &kept(&files.path(".local")), &SECRETS);
    });
}

#[tokio::test]
async fn over_http_no_schema_has_keys_either_and_they_are_refused() {
    let upstream = Upstream::start();
    for (arguments, takers, status) in [(&[][..], 3, "ok"), (&["--inline-secrets", "deny"], 0, "policy_denied")] {
        let served = Served::on(&upstream, arguments).await;
        let bearer = format!("Bearer {}", served.token());
        let headers =
            [("authorization", bearer.as_str()), ("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
        let listed = served.post(&headers, message("tools/list", json!({}))).await.json();
        assert_eq!(with_raw_fields(&listed["result"]).len(), takers, "{arguments:?}");
        let answer = served.call(&served.token(), "search_numbers", json!({ "api_key": SIP_PASSWORD })).await;
        assert_eq!(answer["status"], json!(status), "{answer}");
        nowhere("standard error", &served.stderr(), &SECRETS);
    }
    assert_eq!(upstream.seen().len(), 1);
}

/// What looks like a key of Truedy, of Telnyx, of Twilio.
const STRAY: [&str; 4] = [
    "truedy_Str4yStr4yStr4yStr4yStr4yStr4yX1",
    "KEY0193A5C4E2D17B8F6A9C0D3E4F5A6B7C_StrAy9zQ2vX7",
    "SK0123456789abcdef0123456789abcdef",
    "9f86d081884c7d659a2feaa0c55ad015",
];

#[test]
fn a_key_in_any_argument_that_takes_none_is_refused_unread_and_not_repeated() {
    at_once(Era::BOTH, |era| {
        let upstream = Upstream::start();
        let mut command = server(&upstream.base_url());
        command.env("RUST_LOG", "trace");
        let mut wire = Wire::open(command, era);
        let listed = wire.ask("tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().cloned().unwrap();
        let takes_keys = ["api_key", "auth_token", "sip_password"];
        let mut tried = 0;
        for tool in &tools {
            let name = tool["name"].as_str().unwrap();
            let known: Vec<String> = tool["inputSchema"]["properties"].as_object().unwrap().keys().cloned().collect();
            let mut fields: Vec<&str> =
                known.iter().map(String::as_str).filter(|field| !takes_keys.contains(field)).collect();
            fields.extend(["note", "carrier_key"]);
            for key in STRAY {
                // What is sealed is random and may look like anything; an id may be any 32 digits.
                let hex = key == STRAY[3];
                for field in fields.iter().filter(|field| **field != "confirmation_token") {
                    for value in [
                        json!(key),
                        json!(format!("use {key}, please")),
                        json!([key]),
                        json!({ "deep": [{ "er": key }] }),
                    ] {
                        if hex && field.ends_with("_id") && (value.is_string() || value.is_array()) {
                            continue;
                        }
                        let called = wire.call(name, json!({ *field: value }));
                        refused(&called, "invalid_argument", &["Nothing", field, "looks like a secret key"]);
                        tried += 1;
                    }
                }
                // In place of a name, where it would be repeated as one that is not known.
                for arguments in [json!({ key: "x" }), json!({ "note": { key: 1 } })] {
                    refused(&wire.call(name, arguments), "invalid_argument", &["Nothing", "looks like a secret key"]);
                }
            }
        }
        assert!(tried > 400, "only {tried} were tried");
        assert_eq!(upstream.seen().len(), 0);
        nowhere("standard output", &wire.running.stdout(), &STRAY);
        nowhere("standard error", &wire.running.stderr(), &STRAY);
    });
}

#[test]
fn truedys_own_key_is_not_taken_for_a_carriers() {
    let upstream = Upstream::start();
    let mut command = server(&upstream.base_url());
    command.env("RUST_LOG", "trace");
    let mut wire = Wire::open(command, Era::Modern);
    for key in [KEY, STRAY[0]] {
        for (tool, arguments) in [
            ("search_numbers", json!({ "api_key": key })),
            ("purchase_number", json!({ "phone_number": "+14155550111", "api_key": key, "confirm": true })),
            ("import_number", json!({ "phone_number": "+14155550111", "provider_type": "telnyx", "api_key": key })),
            ("import_number", json!({ "phone_number": "+14155550111", "provider_type": "twilio", "api_key": key })),
        ] {
            let called = wire.call(tool, arguments);
            refused(&called, "invalid_argument", &["api_key", "Truedy API key"]);
        }
    }
    assert_eq!(upstream.seen().len(), 0);
    nowhere("standard output", &wire.running.stdout(), &[KEY, STRAY[0]]);
    nowhere("standard error", &wire.running.stderr(), &[KEY, STRAY[0]]);
}

// --- Tenants -------------------------------------------------------------------------------------------------------

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

// --- `truedy-mcp carriers` ------------------------------------------------------------------------------------------

/// Refused with exit code 2 and one sentence.
#[track_caller]
fn usage(ran: Ran, words: &[&str]) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("truedy-mcp: ") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

#[track_caller]
fn fine(ran: Ran) -> String {
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

const MAIN: [&str; 6] = ["add", "main", "--provider", "telnyx", "--from", "api_key=env:MAIN_KEY"];

#[test]
fn profiles_that_were_added_are_what_the_server_imports_with() {
    let (upstream, files) = (Upstream::start(), Files::new());
    files.write("twilio.key", TWILIO_KEY);
    files.write("twilio.token", TWILIO_TOKEN);
    files.write("my password", SIP_PASSWORD);
    fine(files.carriers(&MAIN));
    let about = fs::metadata(files.config()).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    let token = format!("auth_token=command:cat {}", files.path("twilio.token").display());
    let line = [
        "add",
        "line",
        "--provider",
        "twilio",
        "--from",
        "api_key=file:twilio.key",
        "--from",
        "account_sid=env:LINE_SID",
    ];
    fine(files.carriers(&[&line[..], &["--from", &token]].concat()));
    let password = format!("sip_password=command:{}", json!(["cat", files.path("my password")]));
    let trunk =
        ["add", "trunk", "--provider", "custom_sip", "--sip-username", USER, "--sip-server", HOST, "--from", &password];
    fine(files.carriers(&trunk));
    let mut wire = files.open(&upstream, Era::Modern);
    for (carrier, number) in NUMBERS {
        let called = wire.call("import_number", json!({ "phone_number": number, "carrier": carrier }));
        assert_eq!(called.status(), "imported", "{}", called.0);
    }
    let expected: Vec<Value> = NUMBERS.iter().map(|(carrier, number)| body(carrier, number)).collect();
    assert_eq!(bodies(&upstream, IMPORT), expected);
    for name in ["main", "line", "trunk"] {
        fine(files.carriers(&["remove", name]));
    }
    assert_eq!(files.text().trim(), "");
    usage(files.carriers(&["remove", "main"]), &["no carrier profile main", "none"]);
}

#[test]
fn the_file_keeps_its_comments_its_order_and_its_mode() {
    let files = Files::new();
    let before = "# The carriers of Acme: ask Ana.\n\n# The main account.\n[carriers.zeta] # since May\nprovider = \"telnyx\"\n\
                  # From the vault.\napi_key = { env = \"A\" } # replaced each year\n\n# The line.\n[carriers.alpha]\n\
                  provider = \"telnyx\"\napi_key = { env = \"B\" }\n\n# The end.\n";
    files.write("config.toml", before);
    mode(&files.config(), 0o640);
    fine(files.carriers(&MAIN));
    let main = "\n[carriers.main]\nprovider = \"telnyx\"\napi_key = { env = \"MAIN_KEY\" }\n";
    assert_eq!(files.text(), format!("{before}{main}"));
    usage(files.carriers(&["add", "zeta", "--provider", "telnyx", "--from", "api_key=env:C"]), &["--replace", "zeta"]);
    assert_eq!(files.text(), format!("{before}{main}"));
    fine(files.carriers(&["add", "zeta", "--provider", "telnyx", "--from", "api_key=env:C", "--replace"]));
    assert_eq!(files.text(), format!("{before}{main}").replace("env = \"A\"", "env = \"C\""));
    fine(files.carriers(&["remove", "zeta"]));
    let rest = before.split_once("# The line.").unwrap().1;
    assert_eq!(files.text(), format!("# The carriers of Acme: ask Ana.\n\n# The line.{rest}{main}"));
    assert_eq!(fs::metadata(files.config()).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(files.names(), ["config.toml"], "nothing is left behind");
    // Of another carrier than before: what that one does not take is gone.
    fine(files.carriers(&[
        "add",
        "main",
        "--provider",
        "twilio",
        "--from",
        "api_key=env:D",
        "--account-sid",
        "AC00000000000000000000000000000123",
        "--replace",
    ]));
    fine(files.carriers(&["add", "main", "--provider", "telnyx", "--from", "api_key=env:MAIN_KEY", "--replace"]));
    assert!(files.text().ends_with(main), "{}", files.text());
    // What a link names is changed, and the link stays one.
    let link = files.path("link.toml");
    symlink(files.config(), &link).unwrap();
    let mut command = program();
    command.args(["carriers", "remove", "main", "--config"]).arg(&link);
    fine(run(command, ""));
    assert!(!files.text().contains("main]") && fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn each_tenant_has_its_own_profiles() {
    let files = Files::new();
    let before = "[tenants.acme]\napi_key_env = \"A\"\n\n[tenants.beta]\napi_key_env = \"B\"\nread_only = true\n";
    files.write("config.toml", before);
    usage(files.carriers(&MAIN), &["--tenant", "acme, beta"]);
    usage(files.carriers(&[&MAIN[..], &["--tenant", "gamma"]].concat()), &["--tenant", "acme, beta"]);
    assert_eq!(files.text(), before);
    for tenant in ["acme", "beta"] {
        fine(files.carriers(&[&MAIN[..], &["--tenant", tenant]].concat()));
    }
    fine(files.carriers(&["add", "other", "--provider", "telnyx", "--from", "api_key=env:C", "--tenant", "acme"]));
    let listed = |arguments: &[&str]| -> Vec<String> {
        let listed: Value = serde_json::from_str(&fine(files.carriers(arguments))).unwrap();
        let rows = listed["carriers"].as_array().unwrap();
        rows.iter()
            .map(|row| format!("{} {}", row["tenant"].as_str().unwrap(), row["carrier"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(listed(&["list", "--json"]), ["acme main", "acme other", "beta main"]);
    assert_eq!(listed(&["list", "--json", "--tenant", "beta"]), ["beta main"]);
    fine(files.carriers(&["remove", "main", "--tenant", "acme"]));
    assert_eq!(listed(&["list", "--json"]), ["acme other", "beta main"]);
    usage(files.carriers(&["remove", "other", "--tenant", "beta"]), &["no carrier profile other", "main"]);
    let alone = Files::new();
    usage(alone.carriers(&[&MAIN[..], &["--tenant", "acme"]].concat()), &["no tenants", "--tenant"]);
    assert_eq!(alone.names(), [""; 0], "no file is made for what is refused");
}

#[test]
fn what_the_server_could_not_read_is_not_written() {
    let files = Files::new();
    for (before, arguments, words) in [
        (
            "[carriers.other]\nprovider = \"vonage\"\n",
            &MAIN[..],
            &["[carriers.other]", "provider: expected telnyx"][..],
        ),
        ("[carrier.other]\n", &MAIN, &["unknown field"]),
        ("nonsense", &MAIN, &["line 1", "not changed"]),
        ("carriers = 7\n", &MAIN, &["carriers is no table"]),
        ("", &["add", "main", "--provider", "telnyx"], &["api_key", "telnyx needs it"]),
        (
            "",
            &["add", "main", "--provider", "telnyx", "--from", "api_key=env:A", "--sip-server", "a.example.com"],
            &["sip_server"],
        ),
        (
            "",
            &["add", "main", "--provider", "telnyx", "--from", "api_key=env:A", "--from", "api_key=env:B"],
            &["twice"],
        ),
        (
            "",
            &[
                "add",
                "main",
                "--provider",
                "custom_sip",
                "--sip-username",
                "u",
                "--sip-server",
                "http://x",
                "--from",
                "sip_password=env:A",
            ],
            &["--sip-server"],
        ),
        ("", &["add", "a b", "--provider", "telnyx", "--from", "api_key=env:A"], &["at most 40 letters"]),
        (
            "",
            &["add", "main", "--provider", "vonage", "--from", "api_key=env:A"],
            &["--provider", "telnyx, twilio or custom_sip"],
        ),
    ] {
        files.write("config.toml", before);
        usage(files.carriers(arguments), words);
        assert_eq!((files.text().as_str(), files.names()), (before, vec!["config.toml".to_owned()]));
    }
    // What is wrong can be mended by the command itself.
    files.write("config.toml", "[carriers.main]\nprovider = \"vonage\"\n");
    fine(files.carriers(&[&MAIN[..], &["--replace"]].concat()));
    mode(&files.config(), 0o666);
    usage(files.carriers(&["remove", "main"]), &["chmod go-w"]);
    assert!(files.text().contains("[carriers.main]"));
    // However the table is written.
    for text in [
        "carriers = { one = { provider = \"telnyx\", api_key = { env = \"A\" } } }\n",
        "carriers.one = { provider = \"telnyx\", api_key.env = \"A\" }\n",
    ] {
        files.write("config.toml", text);
        fine(files.carriers(&MAIN));
        fine(files.carriers(&["remove", "one"]));
        let listed = fine(files.carriers(&["list"]));
        assert!(listed.starts_with("main ") && listed.lines().count() == 1, "{listed}\n{}", files.text());
    }
}

#[test]
fn without_a_configuration_the_command_says_how_to_name_one() {
    for arguments in [&MAIN[..], &["list"], &["remove", "main"], &["test"]] {
        let mut command = program();
        command.arg("carriers").args(arguments);
        usage(run(command, ""), &["--config", "TRUEDY_MCP_CONFIG", "for example"]);
    }
}

#[test]
fn profiles_added_at_the_same_time_are_all_there() {
    let files = Files::new();
    at_once(0..16, |at| {
        let name = format!("c{at:02}");
        fine(files.carriers(&["add", &name, "--provider", "telnyx", "--from", "api_key=env:A"]));
    });
    let listed = fine(files.carriers(&["list"]));
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, (0..16).map(|at| format!("c{at:02}")).collect::<Vec<_>>());
    assert_eq!(files.names(), ["config.toml"]);
}

#[test]
fn a_key_on_the_command_line_is_refused_and_not_repeated() {
    for key in STRAY {
        let from = format!("api_key=env:{key}");
        let command = format!("api_key=command:echo {key}");
        let bare = format!("api_key={key}");
        for arguments in [
            &["add", "main", "--provider", "telnyx", "--from", &from][..],
            &["add", "main", "--provider", "telnyx", "--from", &command],
            &["add", "main", "--provider", "telnyx", "--from", &bare],
            &["add", "main", "--provider", "telnyx", "--from", key],
            &["add", "main", "--provider", "telnyx", "--from", "api_key=env:A", key],
            &["add", "main", "--provider", "telnyx", "--api-key", key],
            &["add", "main", "--provider", key, "--from", "api_key=env:A"],
            &["add", key, "--provider", "telnyx", "--from", "api_key=env:A"],
            &["add", "main", "--provider", "telnyx", "--from", "api_key=env:A", "--tenant", key],
            &["add", "main", "--provider", "twilio", "--from", "api_key=env:A", "--account-sid", key],
            &["add", "main", "--provider", "custom_sip", "--sip-username", key],
            &["add", "main", "--provider", "custom_sip", "--sip-server", key],
            &["remove", key],
            &["test", key],
            &["list", "--tenant", key],
            &["list", key],
        ] {
            let files = Files::new();
            files.write("config.toml", "");
            let ran = files.carriers(arguments);
            assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
            nowhere("what it printed", &(ran.stdout + &ran.stderr), &[key]);
            assert_eq!(files.text(), "");
        }
    }
    // What looks like none is no argument either where a source is wanted.
    for from in [
        "hunter2",
        "api_key=hunter2",
        "api_key=hunter2:x",
        "hunter2=env:A",
        "api_key=env:hunter2!",
        "api_key=command:echo 'hunter2'",
    ] {
        let files = Files::new();
        let ran = files.carriers(&["add", "main", "--provider", "telnyx", "--from", from]);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        usage(ran, &["--from", "for example"]);
    }
}

#[test]
fn listing_and_doctor_run_no_command_and_show_no_value_and_testing_shows_none_either() {
    let files = Files::new();
    let marker = files.path("ran");
    let key = files.write("key", TWILIO_KEY);
    let script = format!("echo x >> {}; printf %s '{SID}{SID}'", marker.display());
    files.write(
        "config.toml",
        &format!(
            "[carriers.line]\nprovider = \"twilio\"\napi_key = {{ file = {key:?} }}\naccount_sid = \"{SID}\"\nauth_token = {{ command = [\"sh\", \"-c\", {script:?}] }}\n\
             [carriers.main]\nprovider = \"telnyx\"\napi_key = {{ env = \"MAIN_KEY\" }}\n"
        ),
    );
    let variables = [("MAIN_KEY", TELNYX_KEY), ("RUST_LOG", "trace")];
    let (table, json) =
        (fine(files.carriers_with(&["list"], &variables)), fine(files.carriers_with(&["list", "--json"], &variables)));
    for listed in [&table, &json] {
        for part in [
            "line",
            "twilio",
            &format!("file {key}"),
            "command sh",
            "the configuration itself",
            "main",
            "telnyx",
            "env MAIN_KEY",
        ] {
            assert!(listed.contains(part), "{part}: {listed}");
        }
        nowhere("the list", listed, &[TELNYX_KEY, TWILIO_KEY, SID]);
    }
    let mut command = program();
    command.args(["doctor", "--json", "--sandbox"]).env("TRUEDY_MCP_CONFIG", files.config()).envs(variables);
    command.env("HOME", files.0.path());
    let doctor = fine(run(command, ""));
    let report: Value = serde_json::from_str(&doctor).unwrap();
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["check"] == json!("carriers"));
    let found: Vec<String> = checks
        .map(|check| format!("{} {}", check["health"].as_str().unwrap(), check["found"].as_str().unwrap()))
        .collect();
    assert_eq!(found.len(), 2, "{doctor}");
    assert!(found[0].starts_with("ok line (twilio): auth_token from command sh not read here"), "{doctor}");
    assert_eq!(found[1], "ok main (telnyx): readable");
    assert!(!marker.exists(), "a command was run");
    let tested = fine(files.carriers_with(&["test"], &variables));
    assert_eq!(fs::read_to_string(&marker).unwrap(), "x\n");
    assert!(
        tested.contains("Truedy does not check these credentials") && tested.contains("no Truedy key is set"),
        "{tested}"
    );
    nowhere("the test", &tested, &[TELNYX_KEY, TWILIO_KEY, SID]);
    // What cannot be read is bad in both, and says why.
    let mut command = program();
    command.args(["doctor", "--sandbox"]).env("TRUEDY_MCP_CONFIG", files.config()).env("HOME", files.0.path());
    let ran = run(command, "");
    assert!(
        ran.code == Some(1) && ran.stdout.contains("main (telnyx): api_key: the variable MAIN_KEY is not set"),
        "{}",
        ran.stdout
    );
    let ran = files.carriers(&["test", "main", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &report["ok"], &report["exit_code"]), (Some(1), &json!(false), &json!(1)));
    let field = &report["carriers"][0]["fields"][0];
    assert_eq!((&field["field"], &field["readable"]), (&json!("api_key"), &json!(false)), "{report}");
    assert!(field["why"].as_str().unwrap().contains("MAIN_KEY"), "{report}");
    usage(files.carriers(&["test", "mian"]), &["no carrier profile mian", "line, main"]);
}

#[test]
fn testing_a_telnyx_profile_asks_truedy_once_unless_it_cannot_or_should_not() {
    let files = Files::new();
    fine(files.carriers(&MAIN));
    let test = |upstream: &Upstream, arguments: &[&str], key: Option<&str>| {
        let base = upstream.base_url();
        let mut variables = vec![("MAIN_KEY", TELNYX_KEY), ("TRUEDY_BASE_URL", base.as_str()), ("RUST_LOG", "trace")];
        variables.extend(key.map(|key| ("TRUEDY_API_KEY", key)));
        let ran = files.carriers_with(&[&["test", "--json"], arguments].concat(), &variables);
        nowhere("what it printed", &(ran.stdout.clone() + &ran.stderr), &[TELNYX_KEY, KEY]);
        let report: Map<String, Value> = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let carrier = report["carriers"][0].clone();
        (ran.code.unwrap(), carrier["accepted"].clone(), carrier["found"].as_str().unwrap().to_owned())
    };
    let upstream = Upstream::start();
    let (code, accepted, found) = test(&upstream, &["main"], Some(KEY));
    assert_eq!((code, accepted), (0, json!(true)), "{found}");
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(
        bodies(&upstream, SEARCH),
        [json!({ "country_code": "US", "page": 1, "page_size": 1, "api_key": TELNYX_KEY })]
    );
    for (arguments, key) in [(&["--offline"][..], Some(KEY)), (&[], None), (&["--sandbox"], None)] {
        let (code, accepted, found) = test(&upstream, arguments, key);
        assert_eq!((code, accepted), (0, json!(null)), "{found}");
        assert!(found.contains("was not asked"), "{found}");
    }
    assert_eq!(upstream.seen().len(), 1);
    let says = |text: &str| json!({ "error": { "code": "validation_error", "message": text } });
    upstream.always(SEARCH, reply(422, &says(&format!("Telnyx refuses {TELNYX_KEY}")), TELNYX_KEY));
    let (code, accepted, found) = test(&upstream, &[], Some(KEY));
    assert_eq!((code, accepted), (1, json!(false)), "{found}");
    assert!(found.contains("Telnyx refuses [redacted]"), "{found}");
    upstream.always(SEARCH, Play::json(401, &says("no")));
    let (code, accepted, found) = test(&upstream, &[], Some(KEY));
    assert_eq!((code, accepted), (3, json!(null)), "{found}");
    assert!(found.contains("not known") && found.contains("Truedy refuses the key"), "{found}");
    upstream.refuser().cancel();
    let (code, accepted, _) = test(&upstream, &[], Some(KEY));
    assert_eq!((code, accepted), (4, json!(null)));
}

#[test]
fn what_a_command_says_on_standard_error_is_nobodys_and_truedys_key_is_not_its_business() {
    let (files, upstream) = (Files::new(), Upstream::start());
    files.write(
        "config.toml",
        "[carriers.noisy]\nprovider = \"telnyx\"\napi_key = { command = [\"sh\", \"-xc\", 'printf %s \"$NOISE\"; echo key=$TRUEDY_API_KEY >&2'] }\n",
    );
    let mut command = server(&upstream.base_url());
    command.arg("--config").arg(files.config()).env("NOISE", TELNYX_KEY).env("RUST_LOG", "trace");
    let mut wire = Wire::open(command, Era::Modern);
    let imported = wire.call("import_number", json!({ "phone_number": "+12125550143", "carrier": "noisy" }));
    assert_eq!(imported.status(), "imported", "{imported:?}");
    wire.running.close();
    wire.running.ended(LONG);
    let said = wire.running.stderr();
    nowhere("standard error", &said, &[TELNYX_KEY, KEY]);
    assert!(!said.contains("key="), "{said}");
}

#[test]
fn what_an_earlier_run_has_sent_is_hidden_before_the_first_use() {
    let (files, upstream) = (Files::new(), Upstream::start());
    let file = files.write("twilio.key", TWILIO_KEY);
    files.write(
        "config.toml",
        &format!("[carriers.main]\nprovider = \"telnyx\"\napi_key = {{ env = \"MAIN_KEY\" }}\n[carriers.line]\nprovider = \"twilio\"\napi_key = {{ file = {file:?} }}\n"),
    );
    upstream.account(|account| {
        account.credentials = vec![json!({ "id": "c1", "provider_type": "telnyx", "friendly_name": TELNYX_KEY })];
        account.agents[0]["name"] = json!(TWILIO_KEY);
    });
    let mut command = server(&upstream.base_url());
    command.arg("--config").arg(files.config()).env("MAIN_KEY", TELNYX_KEY);
    let mut wire = Wire::open(command, Era::Modern);
    for tool in ["list_credentials", "list_agents"] {
        let listed = wire.call(tool, json!({}));
        nowhere(tool, &listed.0.to_string(), &[TELNYX_KEY, TWILIO_KEY]);
    }
}
