//! Secrets that are none, settings that would do nothing, and files that are no files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::era::Era;
use crate::support::fake_truedy::{IMPORT, LIST, Play, Upstream};
use crate::support::http_client::{Served, message, request};
use crate::support::program::{KEY, Ran, home, nobody, program, run, server};
use crate::support::raw_client::Wire;

pub(super) fn ran(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied());
    run(command, "")
}

#[track_caller]
pub(super) fn refused(arguments: &[&str], variables: &[(&str, &str)], parts: &[&str]) -> String {
    let ran = ran(arguments, variables);
    assert_eq!(ran.code, Some(2), "{arguments:?} {variables:?}: {}{}", ran.stdout, ran.stderr);
    for part in parts {
        assert!(ran.stderr.contains(part), "{arguments:?} {variables:?}: {part}: {}", ran.stderr);
    }
    ran.stderr
}

#[track_caller]
pub(super) fn fine(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let ran = ran(arguments, variables);
    assert_eq!(ran.code, Some(0), "{arguments:?} {variables:?}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

fn pipe(file: &Path) -> &str {
    assert!(Command::new("mkfifo").arg("-m600").arg(file).status().unwrap().success());
    file.to_str().unwrap()
}

#[test]
fn a_variable_that_is_not_known_stops_the_start_with_the_one_that_was_meant() {
    for (variable, meant) in [
        ("TRUEDY_MCP_READONLY", "Did you mean TRUEDY_MCP_READ_ONLY?"),
        ("TRUEDY_MCP_COUNTRY", "Did you mean TRUEDY_MCP_COUNTRIES?"),
        ("TRUEDY_MCP_PROTECTED", "Did you mean TRUEDY_MCP_PROTECT?"),
        ("TRUEDY_MCP_COLOUR", "A later version may know it"),
        ("TRUEDY_MCP_PORT", "is not known to this version"),
        ("TRUEDY_MCP_PORT", "so it would set nothing"),
        ("TRUEDY_MCP_PORT", "for example TRUEDY_MCP_READ_ONLY"),
    ] {
        for command in ["tools", "stdio", "doctor"] {
            refused(&[command], &[(variable, "hunter2")], &[variable, meant]);
        }
    }
    for (variable, value) in [
        ("TRUEDY_MCP_TOKEN", "tmcp_q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c"),
        ("TRUEDY_MCP_SERVICE_HOST", "10.0.0.7"),
        ("TRUEDY_MCP_PORT", "tcp://10.0.0.7:8080"),
        ("TRUEDY_MCP_PORT_8080_TCP_PROTO", "tcp"),
        ("TRUEDY_MCPX", "1"),
    ] {
        fine(&["tools"], &[(variable, value)]);
    }
    // A name of the operator's own is known by the file that names it.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "[tenants.acme]\napi_key_env = \"TRUEDY_MCP_KEY_OF_ACME\"\n").unwrap();
    let named = [("TRUEDY_MCP_KEY_OF_ACME", KEY), ("TRUEDY_MCP_CONFIG", file.to_str().unwrap())];
    fine(&["tools"], &named);
    refused(&["tools"], &named[..1], &["TRUEDY_MCP_KEY_OF_ACME"]);
}

#[test]
fn a_blank_field_of_a_bundle_is_not_set_and_any_other_placeholder_names_its_variable() {
    fine(&["tools"], &[("TRUEDY_MCP_SANDBOX", "${user_config.sandbox}")]);
    fine(&["tools"], &[("TRUEDY_MCP_SANDBOX", " ")]);
    // It is not the sandbox then: without a key nothing is read.
    assert_eq!(ran(&["call", "list_numbers"], &[("TRUEDY_MCP_SANDBOX", "${user_config.sandbox}")]).code, Some(3));
    for (variable, value) in [
        ("TRUEDY_MCP_SANDBOX", "${SANDBOX}"),
        ("TRUEDY_MCP_READ_ONLY", "${user_config.read_only}"),
        ("TRUEDY_MCP_PURCHASES_PER_DAY", "${user_config.purchases}"),
        ("TRUEDY_MCP_MAX_MONTHLY_COST", "%COST%"),
        ("TRUEDY_MCP_TOOLS", "${TOOLS}"),
        ("TRUEDY_MCP_SIP_HOSTS", "<your-sip-host>"),
        ("TRUEDY_BASE_URL", "${user_config.url}"),
    ] {
        refused(&["tools"], &[(variable, value)], &[variable, "did not fill in"]);
    }
}

/// A key of Truedy as it must not be given, and what is said of it.
const NO_KEYS: [(&str, &str); 13] = [
    ("\"truedy_Hunter2Hunter2Hunter2Hunter2Hunt\"", "quotes"),
    ("'truedy_Hunter2Hunter2Hunter2Hunter2Hunt'", "quotes"),
    ("Bearer truedy_Hunter2Hunter2Hunter2Hunter2Hunt", "bearer"),
    ("TRUEDY_API_KEY=truedy_Hunter2Hunter2Hunter2Hunter2Hunt", "NAME="),
    ("<your-api-key>", "<...>"),
    ("%TRUEDY_API_KEY%", "%...%"),
    ("${TRUEDY_API_KEY}", "${...}"),
    ("${input:truedy-key}", "${...}"),
    ("YOUR_API_KEY", "YOUR_"),
    ("your key", "YOUR_"),
    ("tmcp_Hunter2Hunter2Hunter2Hunter2Hunter2Hunter2Hu", "a token of this server, not a key of Truedy"),
    ("secret", "a word such as"),
    ("truedy_test", "a word such as"),
];

#[test]
fn a_truedy_key_that_is_none_is_named_at_the_start_and_by_doctor() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = (dir.path().join("key"), dir.path().join("config.toml"));
    let (_free, truedy) = nobody();
    for (key, named) in NO_KEYS {
        fs::write(&file, format!("{key}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&config, "[tenants.acme]\napi_key_env = \"ACME\"\n").unwrap();
        let commanded = dir.path().join("command.toml");
        let program = format!("[tenants.acme]\napi_key_command = [\"printf\", \"%s\", {key:?}]\n");
        fs::write(&commanded, program).unwrap();
        let ways = [
            vec![("TRUEDY_MCP_CONFIG", commanded.to_str().unwrap())],
            vec![("TRUEDY_API_KEY", key)],
            vec![("TRUEDY_API_KEY_FILE", file.to_str().unwrap())],
            vec![("TRUEDY_MCP_CONFIG", config.to_str().unwrap()), ("ACME", key)],
        ];
        for way in ways {
            let variables = [&way[..], &[("TRUEDY_BASE_URL", truedy.as_str())]].concat();
            let said = refused(&["call", "list_numbers"], &variables, &[named]);
            let found = ran(&["doctor", "--json"], &variables);
            let report: Value = serde_json::from_str(&found.stdout).unwrap();
            let checks = report["checks"].as_array().unwrap();
            let check = checks.iter().find(|check| check["check"] == "key").unwrap();
            assert!(found.code == Some(2) && check["health"] == "bad", "{report}");
            assert!(check["found"].as_str().unwrap().contains(named), "{check}");
            assert!(!format!("{said}{}", found.stdout).contains("Hunter2"), "{said}");
        }
    }
    // What a bundle's user left blank is no key, and says so.
    assert_eq!(ran(&["call", "list_numbers"], &[("TRUEDY_API_KEY", "${user_config.api_key}")]).code, Some(3));
}

#[test]
fn a_carrier_key_that_is_none_is_refused_before_anything_is_sent() {
    let upstream = Upstream::start();
    upstream.always(LIST, Play::json(200, &json!({ "data": [] })));
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
    for (key, named) in [
        ("${TELNYX_API_KEY}", "${...}"),
        ("YOUR_TELNYX_API_KEY", "YOUR_"),
        ("\"KEY0hunter2\"", "quotes"),
        ("Bearer KEY0hunter2", "bearer"),
        ("TELNYX_API_KEY=KEY0hunter2", "NAME="),
        ("<key>", "<...>"),
        ("%TELNYX_API_KEY%", "%...%"),
        ("test", "a word such as"),
        ("12345678", "a word such as"),
    ] {
        let telnyx = json!({ "phone_number": "+14155550112", "provider_type": "telnyx", "api_key": key });
        for (tool, arguments) in [("import_number", telnyx), ("search_numbers", json!({ "api_key": key }))] {
            let called = wire.call(tool, arguments);
            assert_eq!(called.status(), "invalid_argument", "{key}: {}", called.0);
            let said = called.0.to_string();
            assert!(said.contains(named) && !said.contains("hunter2"), "{key}: {said}");
        }
    }
    let sip = json!({ "phone_number": "+14155550112", "provider_type": "custom_sip", "sip_username": "u", "sip_password": "<password>", "sip_server": "sip.example.com" });
    assert_eq!(wire.call("import_number", sip).status(), "invalid_argument");
    assert_eq!(upstream.count(IMPORT), 0);
    // A profile whose variable holds such a thing.
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    fs::write(&config, "[carriers.main]\nprovider = \"telnyx\"\napi_key = { env = \"TELNYX_KEY\" }\n").unwrap();
    let mut command = server(&upstream.base_url());
    command.arg("--config").arg(&config).env("TELNYX_KEY", "${TELNYX_API_KEY}");
    let mut wire = Wire::open(command, Era::Modern);
    let called = wire.call("import_number", json!({ "phone_number": "+14155550112", "carrier": "main" }));
    assert!(called.is_error() && called.0.to_string().contains("${...}"), "{}", called.0);
    assert_eq!(upstream.count(IMPORT), 0);
    let variables = [("TELNYX_KEY", "Bearer hunter2"), ("TRUEDY_MCP_CONFIG", config.to_str().unwrap())];
    let found = ran(&["doctor", "--sandbox", "--json"], &variables);
    assert!(found.stdout.contains("bearer") && !found.stdout.contains("hunter2"), "{}", found.stdout);
}

#[test]
fn flags_are_read_as_people_write_them_and_messages_name_what_was_set() {
    refused(&["http", "--port", "8080"], &[], &["--port", "--listen"]);
    refused(&["--red-only", "tools"], &[], &["--red-only", "--read-only"]);
    let offered = |arguments: &[&str], variables: &[(&str, &str)]| -> Vec<String> {
        let listed: Value =
            serde_json::from_str(&fine(&[&["tools", "--json"], arguments].concat(), variables)).unwrap();
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let (all, reading) = (offered(&[], &[]), offered(&["--read-only"], &[]));
    assert!(reading.len() < all.len());
    assert_eq!(offered(&["--read-only=true"], &[]), reading);
    assert_eq!(offered(&["--read-only=false"], &[]), all);
    assert_eq!(offered(&["--read-only=false"], &[("TRUEDY_MCP_READ_ONLY", "yes")]), all);
    refused(&["tools", "--read-only=hunter2"], &[], &["--read-only"]);
    let two = ["list_agents", "list_numbers"];
    for given in ["list_numbers, list_agents", " list_numbers ,list_agents", "list_numbers,list_agents,"] {
        let mut offered_by = [offered(&["--tools", given], &[]), offered(&[], &[("TRUEDY_MCP_TOOLS", given)])];
        offered_by.iter_mut().for_each(|names| names.sort());
        assert!(offered_by.iter().all(|names| *names == two), "{given}: {offered_by:?}");
    }
    assert_eq!(offered(&["--exclude-tools", "list_agents, list_numbers"], &[]).len(), all.len() - 2);
    // What was set by a variable is told with its name.
    refused(
        &["stdio"],
        &[("TRUEDY_MCP_TOOLS", "lst_numbers")],
        &["TRUEDY_MCP_TOOLS", "entry 1", "Did you mean list_numbers?"],
    );
    refused(&["stdio"], &[("TRUEDY_MCP_PROTECT", "all")], &["TRUEDY_MCP_PROTECT"]);
    refused(&["stdio"], &[("TRUEDY_MCP_UPSTREAM_RPM", "many")], &["'TRUEDY_MCP_UPSTREAM_RPM'", "for example 100"]);
    let flag = refused(&["stdio", "--tools", "lst_numbers"], &[], &["--tools"]);
    assert!(!flag.contains("TRUEDY_MCP_TOOLS"), "{flag}");
}

#[test]
fn a_list_of_nothing_is_refused() {
    for (flag, variable) in [
        ("--tools", "TRUEDY_MCP_TOOLS"),
        ("--exclude-tools", "TRUEDY_MCP_EXCLUDE_TOOLS"),
        ("--protect", "TRUEDY_MCP_PROTECT"),
        ("--sip-hosts", "TRUEDY_MCP_SIP_HOSTS"),
    ] {
        for nothing in [",", " , "] {
            refused(
                &["call", "list_numbers", "--sandbox", "--ephemeral", flag, nothing],
                &[],
                &[flag, "names nothing"],
            );
            refused(&["call", "list_numbers", "--sandbox", "--ephemeral"], &[(variable, nothing)], &[flag, variable]);
        }
    }
}

#[test]
fn a_certificate_that_others_could_change_or_that_is_no_file_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    fs::write(&file, pem).unwrap();
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    let path = file.to_str().unwrap();
    let key = [("TRUEDY_API_KEY", KEY)];
    for wrong in [0o666, 0o664, 0o646] {
        mode(wrong);
        refused(&["stdio", "--ca-file", path], &key, &["--ca-file", "others can change it"]);
    }
    mode(0o644);
    fine(&["stdio", "--ca-file", path], &key);
    let link = dir.path().join("link.pem");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    fine(&["stdio", "--ca-file", link.to_str().unwrap()], &key);
    let fifo = dir.path().join("pipe.pem");
    for wrong in [pipe(&fifo), "/dev/zero", dir.path().to_str().unwrap()] {
        refused(&["stdio", "--ca-file", wrong], &key, &["--ca-file", "not a regular file"]);
    }
    // One that trusts nothing further would do nothing.
    fs::write(&file, "").unwrap();
    refused(&["stdio", "--ca-file", path], &key, &["--ca-file", "no certificate"]);
    fs::write(&file, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    refused(&["stdio", "--ca-file", path], &key, &["--ca-file", "larger than"]);
}

#[test]
fn a_pipe_in_place_of_root_certificates_or_of_the_ledger_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("pipe");
    let fifo = pipe(&fifo);
    let key = ("TRUEDY_API_KEY", KEY);
    refused(&["stdio"], &[key, ("SSL_CERT_FILE", fifo)], &["SSL_CERT_FILE", "not a regular file"]);
    refused(&["stdio"], &[key, ("SSL_CERT_FILE", "/dev/zero")], &["SSL_CERT_FILE"]);
    refused(&["stdio"], &[key, ("SSL_CERT_DIR", fifo)], &["SSL_CERT_DIR"]);
    let journal = ("TRUEDY_MCP_JOURNAL", "postgres://u@db.example.com/d");
    refused(&["operations"], &[key, journal, ("SSL_CERT_FILE", fifo)], &["SSL_CERT_FILE"]);
    refused(&["call", "list_numbers", "--sandbox", "--ledger", fifo], &[], &["--ledger", "not a regular file"]);
    refused(&["sandbox", "--listen", "127.0.0.1:0", "--ephemeral", "--ledger", fifo], &[], &["--ledger"]);
}

#[test]
fn no_core_of_a_running_server_is_written() {
    let mut command = program();
    command.args(["stdio", "--sandbox", "--ephemeral"]);
    let wire = Wire::open(command, Era::Legacy);
    let limits = fs::read_to_string(format!("/proc/{}/limits", wire.running.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
}

#[test]
fn a_command_that_tells_a_key_sees_no_secret_of_ours_or_of_another_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let (config, seen) = (dir.path().join("config.toml"), dir.path().join("seen"));
    let script = format!("env > {}; echo SK0123456789abcdef0123456789abcdef", seen.display());
    let text = format!(
        "[tenants.acme]\napi_key_env = \"ACME_KEY\"\n[tenants.acme.carriers.main]\nprovider = \"twilio\"\n\
         api_key = {{ command = [\"/bin/sh\", \"-c\", {script:?}] }}\nauth_token = {{ env = \"ACME_TOKEN\" }}\n\
         [tenants.beta]\napi_key_env = \"BETA_KEY\"\n[tenants.beta.carriers.main]\nprovider = \"telnyx\"\napi_key = {{ env = \"BETA_TELNYX\" }}\n"
    );
    fs::write(&config, text).unwrap();
    let variables = [
        ("ACME_KEY", "hunter2-1"),
        ("ACME_TOKEN", "hunter2-2"),
        ("BETA_KEY", "hunter2-3"),
        ("BETA_TELNYX", "hunter2-4"),
        ("TRUEDY_API_KEY", "hunter2-5"),
        ("TRUEDY_MCP_JOURNAL", "postgres://u:hunter2-6@db.example.com/d"),
        ("TRUEDY_MCP_UPSTREAM_PROXY", "http://u:hunter2-7@127.0.0.1:9"),
        ("VAULT_TOKEN", "what the command needs"),
    ];
    let at = config.to_str().unwrap();
    fine(&["carriers", "test", "main", "--tenant", "acme", "--offline", "--config", at], &variables);
    let seen = fs::read_to_string(&seen).unwrap();
    assert!(!seen.contains("hunter2") && seen.contains("VAULT_TOKEN=what the command needs"), "{seen}");
}

#[test]
fn the_entry_of_a_client_can_be_piped_and_is_that_of_the_sandbox_where_that_is_meant() {
    for client in ["claude-code", "claude-desktop", "vscode", "cursor", "gemini", "zed"] {
        for (arguments, sandbox) in [(&[][..], false), (&["--sandbox"], true), (&["--http"], false)] {
            let ran = ran(&[&["config", "print", client], arguments].concat(), &[]);
            let entry: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {}", ran.stdout));
            assert_eq!(entry.to_string().contains("--sandbox"), sandbox, "{client}: {entry}");
            assert!(!sandbox || !entry.to_string().contains("TRUEDY_API_KEY"), "{client}: {entry}");
            assert!(ran.code == Some(0) && !ran.stderr.is_empty(), "where it goes is said: {}", ran.stderr);
        }
    }
    for client in ["codex", "goose"] {
        let text = fine(&["config", "print", client, "--sandbox"], &[]);
        assert!(text.contains("--sandbox") && !text.contains("TRUEDY_API_KEY"), "{text}");
    }
    let codex = fine(&["config", "print", "codex", "--sandbox"], &[]);
    let table: toml::Table = codex.parse().unwrap();
    assert_eq!(table["mcp_servers"]["truedy"]["args"].as_array().unwrap().len(), 2);
}

#[test]
fn the_manual_names_no_page_that_cannot_be_made() {
    let dir = home().join("man1");
    fine(&["man", "--dir", dir.to_str().unwrap()], &[]);
    let page = fs::read_to_string(dir.join("truedy-mcp.1")).unwrap();
    let plain = page.replace("\\-", "-");
    let named: Vec<&str> = plain
        .split(|c: char| !(c.is_ascii_alphanumeric() || "-()".contains(c)))
        .filter_map(|word| word.strip_suffix("(1)"))
        .collect();
    assert!(named.len() > 8, "{plain}");
    for name in named {
        let text = fs::read_to_string(dir.join(format!("{name}.1"))).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(text.contains(".TH"), "{name}");
    }
    assert!(dir.join("truedy-mcp-carriers-add.1").is_file());
}

#[test]
fn a_place_of_the_live_account_beside_the_sandbox_is_refused_by_flag_and_left_by_variable() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    for (flag, variable, value) in [
        ("--base-url", "TRUEDY_BASE_URL", "https://api.example.com/v1"),
        ("--api-key-file", "TRUEDY_API_KEY_FILE", file.to_str().unwrap()),
        ("--upstream-proxy", "TRUEDY_MCP_UPSTREAM_PROXY", "http://127.0.0.1:9"),
        ("--ca-file", "TRUEDY_MCP_CA_FILE", file.to_str().unwrap()),
        ("--journal", "TRUEDY_MCP_JOURNAL", "postgres://u@127.0.0.1:1/d"),
    ] {
        let call = ["call", "list_numbers", "--sandbox", "--ephemeral"];
        refused(&[&call[..], &[flag, value]].concat(), &[], &[flag, "would do nothing"]);
        fine(&call, &[(variable, value)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_that_a_client_did_not_expand_is_named() {
    let served = Served::start(&["--sandbox", "--ephemeral"], &[]).await;
    for (token, named) in [
        ("${TRUEDY_MCP_TOKEN}", "${...}"),
        ("${input:truedy-token}", "${...}"),
        ("your token", "YOUR_"),
        ("\"tmcp_hunter2\"", "quotes"),
        ("Bearer tmcp_hunter2", "bearer"),
        ("TRUEDY_MCP_TOKEN=tmcp_hunter2", "NAME="),
    ] {
        let mut stream = tokio::net::TcpStream::connect(served.address()).await.unwrap();
        let bearer = format!("Bearer {token}");
        let body = message("tools/list", json!({})).to_string();
        let asked = request(&served.host(), "POST", "/mcp", &[("authorization", &bearer)], &body);
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains(named), "{token}: {answer}");
        assert!(!answer.contains("hunter2"), "{token}: {answer}");
    }
}
