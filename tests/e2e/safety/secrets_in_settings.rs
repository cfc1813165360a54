//! No value of a secret shows: each setting and each field of the files is given keys and passwords that do not belong there.
//!
//! The settings are those of the command line's definition, the fields those that the readers of the files have: a new one is
//! covered without being named here.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use clap::{Arg, CommandFactory};
use truedy_mcp::cli::Cli;

use crate::support::http_client::Served;
use crate::support::program::{KEY, Ran, at_once, home, nobody, program, run};
use crate::support::sample::share;

/// What stands by mistake where it does not belong: keys of several kinds and passwords.
const CANARIES: [&str; 7] = [
    "truedy_CanaryKey0000000000000000000000x1",
    "tmcp_CanaryToken000000000000000000000000000000x1",
    "KEY0CA0A12Y000000000000000000000000_CanaryCanary1",
    "Canary-Pa55word&x",
    "canary2",
    "Bearer canary2",
    "http://canary2:canary3@127.0.0.1:9/x",
];

/// The same where a path belongs: they begin as a placeholder, a variable or a URL does.
const PATH_CANARIES: [&str; 4] = ["#Canary2", "$canary2", "pa$canary2", "canary2:x"];

#[track_caller]
fn assert_hidden(what: &str, text: &str) {
    let shown = |text: &str| text.to_ascii_lowercase().contains("canary") || text.contains("KEY0CA0A");
    if let Some(line) = text.lines().find(|line| shown(line)) {
        panic!("{what}: {line}");
    }
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

/// Every argument of every command, with the way to the command.
fn settings(command: &clap::Command, way: &[String]) -> Vec<(Vec<String>, Arg)> {
    let own = command.get_arguments().map(|argument| (way.to_vec(), argument.clone()));
    let below =
        command.get_subcommands().flat_map(|below| settings(below, &[way, &[below.get_name().to_owned()]].concat()));
    own.chain(below).collect()
}

/// A server that ends soon whatever it was given: the address is taken.
fn ending_server(taken: &TcpListener) -> Vec<String> {
    ["http", "--listen", &taken.local_addr().unwrap().to_string()].map(str::to_owned).to_vec()
}

/// The program, loud, with a key and with a Truedy that nobody answers for.
fn loud(arguments: &[String], truedy: &str) -> Command {
    let mut command = program();
    // Some commands make files: what one was given by mistake, the next must not find there.
    let folder = home();
    fs::create_dir_all(&folder).unwrap();
    command
        .args(arguments)
        .current_dir(folder)
        .env("RUST_LOG", "trace")
        .env("TRUEDY_API_KEY", KEY)
        .env("TRUEDY_BASE_URL", truedy);
    command
}

#[test]
fn no_setting_shows_a_secret_in_help_errors_findings_or_logs() {
    let (taken, (_free, truedy)) = (TcpListener::bind("127.0.0.1:0").unwrap(), nobody());
    let all = settings(&Cli::command(), &[]);
    assert!(all.iter().filter(|(_, argument)| argument.get_env().is_some()).count() > 40);
    let is_path =
        |argument: &Arg| argument.get_value_parser().type_id() == std::any::TypeId::of::<std::path::PathBuf>();
    let cases = all.iter().flat_map(|case| {
        let more = if is_path(&case.1) { &PATH_CANARIES[..] } else { &[] };
        CANARIES.iter().chain(more).enumerate().map(move |canary| (case, canary))
    });
    at_once(share(3, cases), |((way, argument), (at, canary))| {
        let mut ways: Vec<Vec<String>> = Vec::new();
        // What a help does not show of one value, it does not show of another.
        if at == 3 {
            ways.push([&way[..], &["--help".to_owned()]].concat());
        }
        if way.is_empty() {
            ways.push(vec!["doctor".to_owned(), "--json".to_owned()]);
            ways.push(["call", "search_numbers", "area_code=415"].map(str::to_owned).to_vec());
            ways.push(["config", "print", "codex"].map(str::to_owned).to_vec());
            if is_path(argument) && at >= 3 {
                ways.push(["config", "print", "claude-code", "--http"].map(str::to_owned).to_vec());
                ways.push(["carriers", "list"].map(str::to_owned).to_vec());
            }
        } else if way.concat() == "http" {
            ways.push(ending_server(&taken));
        } else {
            ways.push(way.clone());
        }
        for arguments in &ways {
            if let Some(variable) = argument.get_env() {
                let mut command = loud(arguments, &truedy);
                command.env(variable, canary);
                assert_hidden(&format!("{variable:?} {arguments:?}"), &said(&run(command, "")));
            }
            if let Some(flag) = argument.get_long() {
                let given = if at % 2 == 0 {
                    vec![format!("--{flag}"), (*canary).to_owned()]
                } else {
                    vec![format!("--{flag}={canary}")]
                };
                let whole = [arguments.clone(), given].concat();
                assert_hidden(&format!("{whole:?}"), &said(&run(loud(&whole, &truedy), "")));
            }
        }
    });
}

#[test]
fn a_secret_in_the_place_of_a_command_or_an_argument_does_not_show() {
    for canary in CANARIES {
        for arguments in [
            &[canary][..],
            &["tools", canary],
            &["config", "print", canary],
            &["call", canary],
            &["completions", canary],
            &["--canary2"],
            &["-canary2"],
        ] {
            let mut command = program();
            command.args(arguments);
            assert_hidden(&format!("{arguments:?}"), &said(&run(command, "")));
        }
    }
}

/// A configuration file with this value in this field, and around it what else is needed.
fn file(way: &str, field: &str, value: &str) -> String {
    let key = if field.starts_with("api_key") { "" } else { "api_key_env = \"ACME\"\n" };
    let provider = if field == "provider" { "" } else { "provider = \"twilio\"\n" };
    let own = if field == "api_key" { "" } else { "api_key = { env = \"TWILIO\" }\n" };
    match way {
        "" => format!("{field} = {value}\n"),
        "policy" => format!("[policy]\n{field} = {value}\n"),
        "tenants.*" => format!("[tenants.acme]\n{key}{field} = {value}\n"),
        "tenants.*.carriers.*" => {
            format!(
                "[tenants.acme]\napi_key_env = \"ACME\"\n[tenants.acme.carriers.main]\n{provider}{own}{field} = {value}\n"
            )
        }
        "carriers.*" => format!("[carriers.main]\n{provider}{own}{field} = {value}\n"),
        "carriers.*.*" => format!("[carriers.main]\nprovider = \"telnyx\"\napi_key = {{ {field} = {value} }}\n"),
        "token" => {
            let (digest, name) = if field == "sha256" { ("", "principal = \"ana\"\n") } else { ("0", "") };
            let digest =
                if digest.is_empty() { String::new() } else { format!("sha256 = \"{}\"\n", digest.repeat(64)) };
            let name = if field == "principal" || !name.is_empty() { name } else { "principal = \"ana\"\n" };
            format!("[[token]]\n{digest}{name}{field} = {value}\n")
        }
        _ => panic!("{way}: how a file with it is written is to be said here"),
    }
}

/// A value of each kind that holds this text.
fn shapes(canary: &str) -> [String; 5] {
    let text = format!("{canary:?}");
    [
        text.clone(),
        format!("[{text}]"),
        format!("{{ {text} = {text} }}"),
        format!("[[{text}]]"),
        format!("{{ env = {text} }}"),
    ]
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn no_field_of_the_configuration_file_shows_a_secret() {
    let (taken, (_free, truedy)) = (TcpListener::bind("127.0.0.1:0").unwrap(), nobody());
    let dir = tempfile::tempdir().unwrap();
    let fields = truedy_mcp::config::file_fields();
    let fields: Vec<_> =
        fields.into_iter().flat_map(|(way, names)| names.iter().map(move |name| (way, *name))).collect();
    for named in
        [("tenants.*", "api_key_command"), ("carriers.*", "auth_token"), ("carriers.*.*", "keyring"), ("", "carriers")]
    {
        assert!(fields.contains(&named), "{named:?}");
    }
    let canaries = fields.iter().flat_map(|field| CANARIES.iter().enumerate().map(move |canary| (*field, canary)));
    at_once(share(3, canaries), |((way, field), (at, canary))| {
        let path = dir.path().join(format!("{way}.{field}.{at}"));
        for value in shapes(canary) {
            write(&path, &file(way, field, &value));
            for arguments in [
                &["carriers", "list"][..],
                &["carriers", "test", "--offline", "--json"],
                &["doctor", "--json"],
                &["config", "print", "codex"],
                &["call", "search_numbers", "carrier=main"],
                &ending_server(&taken).iter().map(String::as_str).collect::<Vec<_>>(),
            ] {
                let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
                let mut command = loud(&arguments, &truedy);
                command.arg("--config").arg(&path).env("ACME", KEY).env("TWILIO", "SK-own-key");
                assert_hidden(&format!("{way}.{field} = {value} {arguments:?}"), &said(&run(command, "")));
                // One command reads what is of the wrong kind as all others do.
                if value.starts_with(['[', '{']) {
                    break;
                }
            }
        }
    });
}

#[test]
fn no_field_of_the_file_of_tokens_shows_a_secret() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let fields = truedy_mcp::http::file_fields();
    let fields: Vec<_> =
        fields.into_iter().flat_map(|(way, names)| names.iter().map(move |name| (way, *name))).collect();
    assert!(fields.contains(&("token", "sha256")) && fields.contains(&("token", "scopes")));
    at_once(fields.iter().enumerate(), |(at, (way, field))| {
        for canary in CANARIES {
            for value in shapes(canary) {
                let path = dir.path().join(at.to_string());
                write(&path, &file(way, field, &value));
                let mut command = loud(&ending_server(&taken), "http://127.0.0.1:9");
                command.arg("--tokens").arg(&path);
                assert_hidden(&format!("{way}.{field} = {value}"), &said(&run(command, "")));
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_running_server_does_not_repeat_what_stands_in_a_file_of_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("running");
    write(&path, "");
    let arguments = ["--sandbox", "--tokens", path.to_str().unwrap()];
    let served = Served::start(&arguments, &[("RUST_LOG", "trace")]).await;
    for (text, told) in [
        ("token = \"tmcp_CanaryToken000000000000000000000000000000x1\"\n", "line 1, token: "),
        ("[[token]]\nscopes = \"Canary-Pa55word&x\"\n", "line 2, token.scopes: expected a list"),
        ("[[token]]\nCanary-Pa55word&x\n", "line 2: it is no TOML"),
    ] {
        write(&path, text);
        served.until_it_says(told).await;
    }
    assert_hidden("the log", &served.stderr());
}

#[test]
fn a_password_in_the_url_of_the_proxy_works_by_variable_alone_and_shows_nowhere() {
    let (_free, proxy) = nobody();
    let proxy = proxy.replace("http://", "http://ana:canary%2F3@");
    let hidden = ["canary", "canary%2F3", "canary/3", "YW5hOmNhbmFyeS8z"];
    let assert_hidden = |text: &str| assert!(!hidden.iter().any(|form| text.contains(form)), "{text}");
    for arguments in
        [&["--help"][..], &["http", "--help"], &["doctor"], &["doctor", "--json"], &["call", "list_numbers"]]
    {
        let mut command = program();
        command
            .args(arguments)
            .env("TRUEDY_MCP_UPSTREAM_PROXY", &proxy)
            .env("RUST_LOG", "trace")
            .env("TRUEDY_API_KEY", KEY);
        let ran = run(command, "");
        assert_ne!(ran.code, Some(2), "{}", ran.stderr);
        assert_hidden(&said(&ran));
    }
    let mut command = program();
    command.args(["tools", "--upstream-proxy", &proxy]);
    let ran = run(command, "");
    assert!(ran.code == Some(2) && ran.stderr.contains("put the URL into TRUEDY_MCP_UPSTREAM_PROXY"), "{}", ran.stderr);
    assert_hidden(&said(&ran));
    for (flag, variable) in [("--base-url", "TRUEDY_BASE_URL"), ("--oauth-jwks-url", "TRUEDY_MCP_OAUTH_JWKS_URL")] {
        let url = "https://ana:canary@keys.example.com/x";
        let mut command = program();
        let oauth = ["--oauth-issuer", "https://login.example.com", "--oauth-audience", "https://mcp.example.com/mcp"];
        command.args(["http", "--sandbox"]).args(oauth);
        command.env("TRUEDY_MCP_OAUTH_JWKS_URL", "https://keys.example.com/x").env(variable, url);
        let ran = run(command, "");
        assert!(
            ran.code == Some(2) && ran.stderr.contains(flag) && ran.stderr.contains("must not hold"),
            "{}",
            ran.stderr
        );
        assert_hidden(&said(&ran));
    }
}
