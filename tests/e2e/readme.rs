//! README shows what the code says: the tables in it are generated, and a stale one is refused.

use std::process::Command;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md")
}

/// Compares the part between two marks; `UPDATE_README=1 cargo test` writes it.
fn part_is(mark: &str, wanted: &str) {
    let text = readme();
    let start = text.find(&format!("<!-- {mark}:")).expect("the opening mark");
    let start = start + text[start..].find("-->").expect("its end") + 4;
    let end = text.find(&format!("<!-- /{mark} -->")).expect("the closing mark");
    if std::env::var_os("UPDATE_README").is_some() {
        let fresh = format!("{}\n{wanted}\n{}", &text[..start], &text[end..]);
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"), fresh).expect("written");
        return;
    }
    assert_eq!(text[start..end].trim(), wanted.trim(), "stale: UPDATE_README=1 cargo test readme");
}

#[test]
fn the_generated_tables_are_fresh() {
    let shown = Command::new(env!("CARGO_BIN_EXE_truedy-mcp")).args(["tools", "--markdown"]).output().expect("it runs");
    part_is("tools", &String::from_utf8(shown.stdout).expect("text"));
    part_is("settings", &truedy_mcp::cli::settings_table());
    part_is("http", &truedy_mcp::cli::http_table());
}

#[test]
fn the_example_configuration_is_valid_and_holds_no_key() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/mcp.json.example")).expect("the example");
    let example: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let servers = example["mcpServers"].as_object().expect("servers");
    assert!(servers.values().any(|server| server["args"].to_string().contains("--sandbox")));
    assert!(servers.values().any(|server| server["env"]["TRUEDY_API_KEY"] == "${TRUEDY_API_KEY}"));
    let bearer = "Bearer ${TRUEDY_MCP_TOKEN}";
    for (kind, end) in [("http", "/mcp"), ("sse", "/sse")] {
        let by_url =
            |server: &&serde_json::Value| server["type"] == kind && server["headers"]["Authorization"] == bearer;
        let server = servers.values().find(by_url).expect(kind);
        assert!(server["url"].as_str().is_some_and(|url| url.ends_with(end)), "{server}");
    }
    assert!(!text.contains("truedy_") && !text.contains("tmcp_"));
}
