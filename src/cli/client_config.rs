//! `truedy-mcp config`: `print` prints what each client's configuration needs; the other commands change and check it.
//!
//! Every snippet has an `env` entry, because some clients remove inherited variables whose names look like keys.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::Url;

use crate::cli::client_entry::{Carried, input, input_fields, stdio_fields};
use crate::cli::clients::launch::Launch;
use crate::cli::clients::{check, install, remove};
use crate::cli::given::SetSetting;
use crate::cli::output::{Exit, complain, print};
use crate::cli::quoted::quoted;
use crate::config::{ClientKind, ConfigError, KEY_VARIABLE, NAME, Settings};

#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the snippet for a client.
    Print {
        /// The client.
        client: ClientKind,
        /// For a server that is reached by URL (`truedy-mcp http`), with the token in `TRUEDY_MCP_TOKEN` where the client takes it from there.
        #[arg(long)]
        http: bool,
        /// Where that server is. An address that ends in /sse is for clients that know nothing newer than the transport of 2024-11-05.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/mcp", value_parser = server_url, requires = "http")]
        url: Url,
    },
    /// Put the entry into a client's file; everything else in the file stays as it is.
    #[command(
        after_help = "Examples:\n  truedy-mcp config install claude-code --sandbox\n  truedy-mcp config install codex --read-only --dry-run\n  truedy-mcp config install claude-desktop --api-key-file ~/.config/truedy-mcp/key"
    )]
    Install(install::InstallArgs),
    /// Take the entry out of a client's file again.
    #[command(after_help = "Example: truedy-mcp config remove cursor")]
    Remove(remove::RemoveEntryArgs),
    /// Check whether clients have the entry, whether its command starts, and in which mode; exit 1 if not.
    #[command(after_help = "Examples:\n  truedy-mcp config check\n  truedy-mcp config check codex --json")]
    Check(check::CheckArgs),
}

/// Parses the URL of a server. A URL without a path gets the path of the endpoint, `/mcp`.
fn server_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = url.ok_or("a URL that begins with https:// or http://, for example http://127.0.0.1:8080/mcp")?;
    if url.path() == "/" {
        url.set_path("/mcp");
    }
    Ok(url)
}

pub(super) fn run(settings: &Settings, set: &[SetSetting], arguments: &ConfigArgs) -> Result<Exit, ConfigError> {
    let (client, http, url) = match &arguments.command {
        ConfigCommand::Print { client, http, url } => (client, http, url),
        ConfigCommand::Install(arguments) => return install::run(settings, set, arguments),
        ConfigCommand::Remove(arguments) => return remove::run(settings, arguments),
        ConfigCommand::Check(arguments) => return check::run(arguments),
    };
    let text = if *http {
        if let Some(said) = not_carried(set) {
            complain(&said);
        }
        http_snippet(*client, url.as_str())
    } else {
        let carried = Carried::of(settings, set)?;
        if let Some(said) = by_name(&carried) {
            complain(&said);
        }
        snippet(*client, &carried, &Launch::by_name())
    };
    let (hints, entry) = split(&text);
    // JSON has no comments. So the hints go to standard error, and standard output can be piped.
    if entry.starts_with('{') {
        hints.lines().for_each(|line| complain(line.trim_start_matches("# ")));
        print(entry);
    } else {
        print(&text);
    }
    Ok(Exit::Fine)
}

/// Returns a message about settings that an entry for a URL cannot contain.
fn not_carried(set: &[SetSetting]) -> Option<String> {
    let places = set.iter().map(SetSetting::place).collect::<Vec<_>>().join(", ");
    let sentence = format!(
        "not in this entry: {places}; a server that is reached by URL has what it was started with: set it there"
    );
    (!set.is_empty()).then_some(sentence)
}

/// Returns a message about secrets other than the key of Truedy. The entry contains only the names of their variables.
fn by_name(carried: &Carried) -> Option<String> {
    let others: Vec<&str> = carried.secrets.iter().map(String::as_str).filter(|name| *name != KEY_VARIABLE).collect();
    let sentence = format!(
        "secrets are not repeated: the entry names {}; set it where the client takes its variables from, or put its value in",
        others.join(", ")
    );
    (!others.is_empty()).then_some(sentence)
}

/// Splits a snippet into the comments at its front and the rest.
fn split(text: &str) -> (&str, &str) {
    let length = text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
    text.split_at_checked(length).unwrap_or(("", text))
}

/// Returns the snippet for a server that is reached by URL.
fn http_snippet(client: ClientKind, url: &str) -> String {
    let pretty = |value: Value| serde_json::to_string_pretty(&value).unwrap_or_default();
    let bearer = |token: &str| json!({ "Authorization": format!("Bearer {token}") });
    // The older transport has its own address, and most clients need to know which transport it is.
    let older = url.trim_end_matches('/').ends_with("/sse");
    let kind = if older { "sse" } else { "http" };
    let bridged = if older { "sse-only" } else { "http-only" };
    let gemini = if older { "url" } else { "httpUrl" };
    match client {
        ClientKind::Codex | ClientKind::Zed | ClientKind::Goose if older => {
            let newer = format!("{}/mcp", url.trim_end_matches('/').trim_end_matches("/sse"));
            format!(
                "# This client does not speak the transport of 2024-11-05: it is given the newer one\n{}",
                http_snippet(client, &newer)
            )
        }
        ClientKind::ClaudeCode => format!(
            "# Claude Code: run this once (in single quotes the variable itself is kept, not the token), or put the JSON below into .mcp.json of a project\n\
             # claude mcp add --transport {kind} truedy {url} --header 'Authorization: Bearer ${{TRUEDY_MCP_TOKEN}}'\n{}\n",
            pretty(
                json!({ "mcpServers": { "truedy": { "type": kind, "url": url, "headers": bearer("${TRUEDY_MCP_TOKEN}") } } })
            )
        ),
        ClientKind::ClaudeDesktop => format!(
            "# Claude Desktop: with OAuth as a connector (Settings > Connectors); with a token by a bridge, in claude_desktop_config.json, which reads no variables: keep it to yourself\n{}\n",
            pretty(json!({ "mcpServers": { "truedy": {
                "command": "npx",
                "args": ["-y", "mcp-remote", url, "--transport", bridged, "--header", "Authorization:${TRUEDY_AUTH}"],
                "env": { "TRUEDY_AUTH": "Bearer your token" }
            } } }))
        ),
        ClientKind::Vscode => format!(
            "# VS Code: .vscode/mcp.json; it asks for the token once and keeps it\n{}\n",
            pretty(json!({
                "inputs": [{ "type": "promptString", "id": "truedy-token", "description": "Truedy MCP token", "password": true }],
                "servers": { "truedy": { "type": kind, "url": url, "headers": bearer("${input:truedy-token}") } }
            }))
        ),
        ClientKind::Cursor => format!(
            "# Cursor: ~/.cursor/mcp.json or .cursor/mcp.json\n{}\n",
            pretty(json!({ "mcpServers": { "truedy": { "url": url, "headers": bearer("${env:TRUEDY_MCP_TOKEN}") } } }))
        ),
        ClientKind::Codex => format!(
            "# Codex: ~/.codex/config.toml\n[mcp_servers.truedy]\nurl = \"{url}\"\nbearer_token_env_var = \"TRUEDY_MCP_TOKEN\"\n"
        ),
        ClientKind::Gemini => format!(
            "# Gemini CLI: ~/.gemini/settings.json\n{}\n",
            pretty(json!({ "mcpServers": { "truedy": { gemini: url, "headers": bearer("$TRUEDY_MCP_TOKEN") } } }))
        ),
        ClientKind::Zed => format!(
            "# Zed: settings.json; keep it to yourself\n{}\n",
            pretty(json!({ "context_servers": { "truedy": { "url": url, "headers": bearer("your token") } } }))
        ),
        ClientKind::Goose => format!(
            "# Goose: ~/.config/goose/config.yaml; keep it to yourself\n\
             extensions:\n  \
             truedy:\n    \
             name: Truedy\n    \
             description: Phone numbers for voice agents\n    \
             type: streamable_http\n    \
             enabled: true\n    \
             uri: {url}\n    \
             headers:\n      \
             Authorization: Bearer your token\n    \
             timeout: 300\n"
        ),
        ClientKind::Windsurf => format!(
            "# Windsurf: ~/.codeium/windsurf/mcp_config.json\n{}\n",
            pretty(
                json!({ "mcpServers": { "truedy": { "serverUrl": url, "headers": bearer("${env:TRUEDY_MCP_TOKEN}") } } })
            )
        ),
        ClientKind::Cline => format!(
            "# Cline: MCP Servers > Configure; keep it to yourself\n{}\n",
            pretty(
                json!({ "mcpServers": { "truedy": { "type": if older { "sse" } else { "streamableHttp" }, "url": url, "headers": bearer("your token") } } })
            )
        ),
        ClientKind::Opencode => format!(
            "# opencode: ~/.config/opencode/opencode.json\n{}\n",
            pretty(
                json!({ "mcp": { "truedy": { "type": "remote", "url": url, "enabled": true, "headers": bearer("{env:TRUEDY_MCP_TOKEN}") } } })
            )
        ),
        ClientKind::LmStudio => format!(
            "# LM Studio: ~/.lmstudio/mcp.json; keep it to yourself\n{}\n",
            pretty(json!({ "mcpServers": { "truedy": { "url": url, "headers": bearer("your token") } } }))
        ),
        ClientKind::LibreChat => format!(
            "# LibreChat: librechat.yaml\n\
             mcpServers:\n  \
             truedy:\n    \
             type: {}\n    \
             url: {url}\n    \
             headers:\n      \
             Authorization: Bearer ${{TRUEDY_MCP_TOKEN}}\n",
            if older { "sse" } else { "streamable-http" }
        ),
    }
}

/// Returns the placeholder for a client that does not read variables.
fn blank(variable: &str) -> String {
    if variable == KEY_VARIABLE { "your key".to_owned() } else { format!("your {variable}") }
}

/// Returns the snippet. Its first line says in which file it belongs.
/// A client does not pass on the variables of a shell, so the snippet contains the settings that were set.
fn snippet(client: ClientKind, carried: &Carried, launch: &Launch) -> String {
    let line = launch.line(&carried.arguments);
    let (command, arguments) = (&launch.program, line.get(1..).unwrap_or_default());
    let secrets = &carried.secrets;
    let written = |name: &str| match client {
        ClientKind::Vscode => format!("${{input:{}}}", input(name)),
        _ => client.reference(name).unwrap_or_else(|| blank(name)),
    };
    let entry = || {
        let fields = stdio_fields(client, launch, carried, &written);
        let entry = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut whole = json!({ client.list(): { NAME: Value::Object(entry) } });
        if client == ClientKind::Vscode {
            whole["inputs"] = secrets.iter().map(|name| input_fields(name)).collect();
        }
        serde_json::to_string_pretty(&whole).unwrap_or_default()
    };
    let key_flag: String = secrets.iter().map(|name| format!(" -e '{name}=${{{name}}}'")).collect();
    let shell = line.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" ");
    let list = json!(arguments);
    // Returns an empty text if there are no secrets.
    let named = |before: &str, between: &str, after: &str, written: &dyn Fn(&str) -> String| {
        let all = secrets.iter().map(|name| written(name)).collect::<Vec<_>>().join(between);
        if secrets.is_empty() { all } else { format!("{before}{all}{after}") }
    };
    match client {
        ClientKind::ClaudeCode => format!(
            "# Claude Code: run this once, or put the JSON below into .mcp.json of a project\n\
             # claude mcp add truedy{key_flag} -- {shell}\n{}\n",
            entry()
        ),
        ClientKind::ClaudeDesktop => {
            format!("# Claude Desktop: claude_desktop_config.json (Settings > Developer > Edit Config)\n{}\n", entry())
        }
        ClientKind::Vscode => {
            format!("# VS Code: .vscode/mcp.json; it asks for the key once and keeps it\n{}\n", entry())
        }
        ClientKind::Cursor => format!("# Cursor: ~/.cursor/mcp.json or .cursor/mcp.json\n{}\n", entry()),
        ClientKind::Windsurf => format!("# Windsurf: ~/.codeium/windsurf/mcp_config.json\n{}\n", entry()),
        ClientKind::Gemini => format!("# Gemini CLI: ~/.gemini/settings.json\n{}\n", entry()),
        ClientKind::Zed => format!("# Zed: settings.json\n{}\n", entry()),
        ClientKind::Cline => format!("# Cline: MCP Servers > Configure\n{}\n", entry()),
        ClientKind::Opencode => format!("# opencode: ~/.config/opencode/opencode.json\n{}\n", entry()),
        ClientKind::LmStudio => format!("# LM Studio: ~/.lmstudio/mcp.json\n{}\n", entry()),
        ClientKind::Codex => format!(
            "# Codex: ~/.codex/config.toml\n\
             [mcp_servers.truedy]\n\
             command = \"{command}\"\n\
             args = {list}\n\
             {}",
            named("env = { ", ", ", " }\n", &|name| format!("{name} = \"{}\"", blank(name)))
        ),
        ClientKind::Goose => format!(
            "# Goose: ~/.config/goose/config.yaml\n\
             extensions:\n  \
             truedy:\n    \
             name: Truedy\n    \
             description: Phone numbers for voice agents\n    \
             type: stdio\n    \
             enabled: true\n    \
             cmd: {command}\n    \
             args: {list}\n    \
             {}\
             timeout: 300\n",
            named("envs:\n      ", "\n      ", "\n    ", &|name| format!("{name}: {}", blank(name)))
        ),
        ClientKind::LibreChat => format!(
            "# LibreChat: librechat.yaml\n\
             mcpServers:\n  \
             truedy:\n    \
             type: stdio\n    \
             command: {command}\n    \
             args: {list}\n{}",
            named("    env:\n      ", "\n      ", "\n", &|name| format!("{name}: {}", written(name)))
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_snippet_for_a_url_names_it_and_holds_no_token() {
        for client in ClientKind::value_variants() {
            let text = http_snippet(*client, "https://mcp.example.com/mcp");
            assert!(text.starts_with("# ") && text.contains("https://mcp.example.com/mcp"), "{client:?}");
            assert!(text.contains("Bearer") || text.contains("bearer"), "{client:?}");
            let json: String = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
            if json.starts_with('{') {
                serde_json::from_str::<Value>(&json).expect("valid JSON");
            }
        }
    }

    #[test]
    fn the_url_of_a_server_is_whole() {
        let read = |text: &str| server_url(text).map(|url| url.to_string());
        assert_eq!(read("http://127.0.0.1:8080").as_deref(), Ok("http://127.0.0.1:8080/mcp"));
        assert_eq!(read("https://mcp.example.com/a/sse").as_deref(), Ok("https://mcp.example.com/a/sse"));
        for text in ["localhost:8080", "mcp.example.com:443/mcp", "mcp.example.com/mcp", "unix:/x", ""] {
            assert!(read(text).is_err_and(|why| why.contains("for example http://127.0.0.1:8080/mcp")), "{text}");
        }
    }

    #[test]
    fn a_snippet_for_the_sandbox_asks_for_no_key() {
        for client in ClientKind::value_variants() {
            let arguments = vec!["--sandbox".to_owned()];
            let text = snippet(*client, &Carried { arguments, secrets: Vec::new() }, &Launch::by_name());
            assert!(text.contains("--sandbox") && !text.contains("TRUEDY_API_KEY"), "{text}");
            let (hints, entry) = split(&text);
            assert!(hints.lines().all(|line| line.starts_with("# ")), "{hints}");
            if entry.starts_with('{') {
                serde_json::from_str::<Value>(entry).expect("valid JSON");
            }
        }
    }

    #[test]
    fn a_snippet_for_the_older_transport_says_so_and_a_client_without_it_gets_the_newer() {
        let snippet = |client| http_snippet(client, "http://127.0.0.1:8080/sse");
        assert!(snippet(ClientKind::ClaudeCode).contains("\"type\": \"sse\""));
        assert!(snippet(ClientKind::ClaudeCode).contains("--transport sse truedy"));
        assert!(snippet(ClientKind::Vscode).contains("\"type\": \"sse\""));
        assert!(snippet(ClientKind::ClaudeDesktop).contains("sse-only"));
        assert!(snippet(ClientKind::Gemini).contains("\"url\": \"http://127.0.0.1:8080/sse\""));
        for client in [ClientKind::Codex, ClientKind::Zed, ClientKind::Goose] {
            let text = snippet(client);
            assert!(text.starts_with("# ") && text.contains(":8080/mcp") && !text.contains("/sse"), "{text}");
        }
    }

    #[test]
    fn every_snippet_carries_the_key_in_its_own_environment() {
        for client in ClientKind::value_variants() {
            let launch = Launch::by_name();
            let secrets = vec!["ACME_KEY".to_owned(), "TRUNK_PASSWORD".to_owned()];
            let arguments = ["--config", "/etc/truedy/our config.toml"].map(str::to_owned).to_vec();
            let named = snippet(*client, &Carried { arguments, secrets }, &launch);
            for part in ["--config", "/etc/truedy/our config.toml", "ACME_KEY", "TRUNK_PASSWORD"] {
                assert!(named.contains(part) && !named.contains("TRUEDY_API_KEY"), "{part}: {named}");
            }
            let carried = Carried { arguments: Vec::new(), secrets: vec![KEY_VARIABLE.to_owned()] };
            let text = snippet(*client, &carried, &launch);
            assert!(text.starts_with("# ") && text.contains("TRUEDY_API_KEY") && text.contains("stdio"), "{client:?}");
            let json: String = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
            if json.starts_with('{') {
                serde_json::from_str::<Value>(&json).expect("valid JSON");
            }
        }
    }
}
