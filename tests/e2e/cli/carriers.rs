//! `truedy-mcp carriers`: the command that keeps carrier profiles, shows no key of them and tries them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Map, Value, json};

use crate::support::carrier_files::{
    Files, HOST, NUMBERS, SID, SIP_PASSWORD, STRAY, TELNYX_KEY, TWILIO_KEY, TWILIO_TOKEN, USER, bodies, body, mode,
};
use crate::support::era::Era;
use crate::support::fake_truedy::{IMPORT, Play, SEARCH, Upstream};
use crate::support::program::{KEY, LONG, Ran, at_once, program, run, server};
use crate::support::raw_client::Wire;
use crate::support::secrets::{nowhere, reply};

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
        assert!(
            listed.lines().count() == 2 && listed.lines().nth(1).unwrap().starts_with("main "),
            "{listed}\n{}",
            files.text()
        );
    }
}

#[test]
fn without_a_configuration_the_command_works_on_the_default_file() {
    let home = tempfile::tempdir().unwrap();
    let carriers = |arguments: &[&str]| {
        let mut command = program();
        command.arg("carriers").args(arguments).env("HOME", home.path());
        run(command, "")
    };
    usage(carriers(&["remove", "main"]), &["--config", ".config/truedy-mcp/config.toml"]);
    assert!(fine(carriers(&["list"])).starts_with("There are no profiles yet; `truedy-mcp carriers add"));
    let untested = carriers(&["test"]);
    assert!(untested.code == Some(1) && untested.stderr.contains("There are no profiles yet"), "{}", untested.stderr);
    fine(carriers(&MAIN));
    assert!(home.path().join(".config/truedy-mcp/config.toml").exists());
    let listed = fine(carriers(&["list"]));
    assert!(listed.lines().nth(1).is_some_and(|row| row.starts_with("main ")), "{listed}");
}

#[test]
fn profiles_added_at_the_same_time_are_all_there() {
    let files = Files::new();
    at_once(0..16, |at| {
        let name = format!("c{at:02}");
        fine(files.carriers(&["add", &name, "--provider", "telnyx", "--from", "api_key=env:A"]));
    });
    let listed = fine(files.carriers(&["list"]));
    let names: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
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
