//! A tenant's section only narrows what the operator allowed.

use serde_json::{Value, json};

use crate::support::fake_truedy::{PURCHASE, Upstream};
use crate::support::http_client::Served;
use crate::support::program::{KEY, Ran, program, run};

/// For sale in the sandbox.
const FOR_SALE: &str = "+14155550150";
/// In the sandbox, and in use.
const IN_USE: &str = "+14155550123";

/// Runs a command of one tenant with these lines in its section.
fn tenant(lines: &str, arguments: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, format!("[tenants.acme]\n{lines}\n")).unwrap();
    let mut command = program();
    command.args(arguments).args(["--sandbox", "--ephemeral", "--config"]).arg(&file);
    run(command, "")
}

fn buy(lines: &str, flags: &[&str]) -> (i32, Value) {
    let number = format!("phone_number={FOR_SALE}");
    let ran = tenant(lines, &[&["call", "purchase_number", &number, "confirm=true"], flags].concat());
    let body = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    (ran.code.unwrap(), body)
}

#[test]
fn an_empty_list_in_the_file_allows_nothing() {
    for (lines, rule) in
        [("countries = []", "countries"), ("number_types = []", "number_types"), ("tools = []", "tools")]
    {
        let (code, body) = buy(lines, &[]);
        assert_eq!((code, &body["status"], &body["rule"]), (5, &json!("policy_denied"), &json!(rule)), "{body}");
    }
    // The operator's own flag is no longer lost by it either.
    assert_eq!(buy("countries = []", &["--countries", "US"]).1["rule"], "countries");
    // An empty variable is not set.
    let mut command = program();
    let number = format!("phone_number={FOR_SALE}");
    command.args(["call", "purchase_number", &number, "confirm=true", "--sandbox", "--ephemeral"]);
    command.env("TRUEDY_MCP_COUNTRIES", "").env("TRUEDY_MCP_TOOLS", "");
    let ran = run(command, "");
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_section_cannot_lift_what_a_flag_forbids() {
    for (lines, flags, rule) in [
        ("purchases_per_day = 5", &["--purchases-per-day", "0"][..], "purchases_per_day"),
        ("max_monthly_cost = \"50 USD\"", &["--max-monthly-cost", "0.01 USD"], "max_monthly_cost"),
        ("countries = [\"US\"]", &["--countries", "GB"], "countries"),
        ("tools = [\"purchase_number\"]", &["--tools", "list_numbers"], "tools"),
        ("exclude_tools = [\"list_agents\"]", &["--exclude-tools", "purchase_number"], "exclude_tools"),
        ("read_only = false", &["--read-only"], "read_only"),
    ] {
        let (code, body) = buy(lines, flags);
        assert_eq!((code, &body["rule"]), (5, &json!(rule)), "{lines}: {body}");
    }
    // Narrower than the flag, and wider than a default: both as the section says.
    assert_eq!(buy("purchases_per_day = 0", &["--purchases-per-day", "3"]).1["rule"], "purchases_per_day");
    assert_eq!(buy("purchases_per_day = 50", &[]).1["status"], "purchased");
}

#[test]
fn numbers_in_use_are_released_only_where_flag_and_section_agree() {
    let number = format!("number_id={IN_USE}");
    let release = ["call", "release_number", &number, "confirm=true"];
    let alone = tenant("release_in_use = true", &release);
    assert_eq!(alone.code, Some(2), "{}", alone.stdout);
    for part in ["[tenants.acme]", "release_in_use", "--release-in-use", "TRUEDY_MCP_RELEASE_IN_USE"] {
        assert!(alone.stderr.contains(part), "{part}: {}", alone.stderr);
    }
    let both = [&release[..], &["--release-in-use"]].concat();
    assert!(tenant("release_in_use = true", &both).stdout.contains("\"released\""));
    assert!(tenant("release_in_use = false", &both).stdout.contains("number_in_use"));
}

#[tokio::test]
async fn a_server_refuses_limits_in_two_currencies_and_keeps_the_smaller_of_one() {
    let (upstream, dir) = (Upstream::start(), tempfile::tempdir().unwrap());
    let file = dir.path().join("config.toml");
    let write = |limit: &str| {
        let address = upstream.base_url();
        let text = format!(
            "[tenants.default]\napi_key_env = \"ACME_KEY\"\nbase_url = \"{address}\"\nspend_per_day = \"{limit}\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let config = file.display().to_string();
    let arguments = ["--config", &config, "--spend-per-day", "2 USD", "--ask", "off"];
    write("50 EUR");
    let (code, said) = Served::refused(&arguments, &[("ACME_KEY", KEY)]).await;
    assert_eq!(code, 2, "{said}");
    for part in ["[tenants.default]", "spend_per_day", "50.00 EUR", "2.00 USD"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    write("50 USD");
    upstream.account(|account| {
        account.offers.push(
            json!({ "phone_number": FOR_SALE, "cost_information": { "monthly_cost": "3.00", "currency": "USD" } }),
        );
    });
    let served = Served::start(&arguments, &[("ACME_KEY", KEY)]).await;
    let token = served.token();
    let refused = served.call(&token, "purchase_number", json!({ "phone_number": FOR_SALE, "confirm": true })).await;
    assert_eq!((&refused["status"], &refused["rule"]), (&json!("policy_denied"), &json!("spend_per_day")), "{refused}");
    assert_eq!(upstream.count(PURCHASE), 0);
}

/// What every command says of a file with this one section, and that it ends with the code of wrong settings.
fn refused_everywhere(lines: &str, commands: &[&[&str]], parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, format!("[tenants.acme]\n{lines}\n")).unwrap();
    for arguments in commands {
        let mut command = program();
        command
            .args(*arguments)
            .envs([("TRUEDY_BASE_URL", "http://127.0.0.1:9"), ("ACME", KEY)])
            .arg("--config")
            .arg(&file);
        let ran = run(command, "");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(2), "{arguments:?} {lines}: {said}");
        for part in [&["config.toml", "[tenants.acme]"], parts].concat() {
            assert!(said.contains(part), "{arguments:?} {lines}: {part}: {said}");
        }
        for flag in ["--protect", "--tools", "--exclude-tools", "--sip-hosts", "--gate", "TRUEDY_API_KEY"] {
            assert!(!said.contains(flag), "{arguments:?} {lines}: {flag}: {said}");
        }
    }
}

#[test]
fn what_a_section_says_wrongly_is_told_by_its_file_section_and_key_on_every_command() {
    let commands: [&[&str]; 5] =
        [&["call", "list_numbers"], &["stdio"], &["http", "--listen", "127.0.0.1:0"], &["tools"], &["doctor"]];
    let key = "api_key_env = \"ACME\"\n";
    for (line, parts) in [
        ("protect = [\"+14155550123\", \"all\"]", &["protect, entry 2", "for example +14155550123"][..]),
        ("protect = [\" \"]", &["protect names nothing"]),
        ("tools = [\"list_number\"]", &["tools: entry 1", "Did you mean list_numbers?"]),
        ("exclude_tools = [\"buy\"]", &["exclude_tools: entry 1"]),
        ("sip_hosts = [\"http://sip.example.com\"]", &["sip_hosts, entry 1", "for example sip.example.com"]),
        ("gate = \"human\"\nask = \"off\"", &["gate human", "ask off", "for example"]),
    ] {
        refused_everywhere(&format!("{key}{line}"), &commands, parts);
    }
}

#[test]
fn a_tenants_key_that_is_not_there_is_told_with_the_place_where_it_belongs() {
    for (line, parts) in [
        ("api_key_env = \"KEY_OF_ACME\"", &["Set the variable KEY_OF_ACME", "api_key_env in"][..]),
        ("api_key_file = \"/nowhere/acme.key\"", &["into /nowhere/acme.key, with mode 0600", "api_key_file in"]),
        ("api_key_command = [\"false\"]", &["Run the command yourself", "api_key_command in"]),
    ] {
        refused_everywhere(line, &[&["doctor"]], parts);
        for arguments in [&["call", "list_numbers"][..], &["stdio"], &["http", "--listen", "127.0.0.1:0"]] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("config.toml");
            std::fs::write(&file, format!("[tenants.acme]\n{line}\n")).unwrap();
            let mut command = program();
            command.args(arguments).arg("--config").arg(&file);
            let ran = run(command, "");
            assert_eq!(ran.code, Some(2), "{arguments:?} {line}: {}{}", ran.stdout, ran.stderr);
        }
    }
}
