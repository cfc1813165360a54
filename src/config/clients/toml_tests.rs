//! Tests of entries in the TOML file of Codex, hostile ones among them.

use serde_json::json;

use super::*;

fn fields() -> [(&'static str, Value); 2] {
    [("command", "C:\\a b\\it's \"q\"\\truedy-mcp.exe".into()), ("args", json!(["stdio", "--sandbox"]))]
}

fn written(text: &str) -> String {
    put(text, "mcp_servers", "truedy", &fields()).expect(text)
}

#[test]
fn an_entry_comes_at_the_end_and_goes_without_a_trace() {
    for text in [
        "",
        "# mine\nmodel = \"x\"\n",
        "model = \"x\"\r\n\r\n[mcp_servers.other]\r\ncommand = \"y\" # z\r\n",
        "[mcp_servers]\n[mcp_servers.other]\ncommand = \"\"\"a\nb\"\"\"\n\n\n# the end\n",
        "mcp_servers.other.command = \"y\"\n[a]\nb = 1\n",
    ] {
        let result = put(text, "mcp_servers", "truedy", &fields());
        if text.starts_with("mcp_servers.other") {
            assert!(result.is_err_and(|why| why.contains("edit it by hand")));
            continue;
        }
        let after = result.expect(text);
        assert!(after.starts_with(text), "{after}");
        let entry = entry(&after, "mcp_servers", "truedy").expect("read").expect("there");
        assert_eq!(entry, json!({ "command": "C:\\a b\\it's \"q\"\\truedy-mcp.exe", "args": ["stdio", "--sandbox"] }));
        assert_eq!(after.contains("\r\n"), text.contains("\r\n"));
        assert_eq!(written(&after), after, "a second time");
        assert_eq!(take(&after, "mcp_servers", "truedy").expect(text), text);
    }
}

#[test]
fn an_entry_is_replaced_where_it_is_and_keeps_the_approvals_below_it() {
    let text = "[mcp_servers.truedy]\ncommand = \"old\" # mine\nenv = { A = \"x\" }\n\n[mcp_servers.truedy.env]\nB = \"y\"\n\n[mcp_servers.truedy.tools.list_numbers]\napproval_mode = \"approve\"\n\n# of other\n[mcp_servers.other]\ncommand = \"z\"\n";
    let text = text.replace("env = { A = \"x\" }\n", "");
    let after = written(&text);
    assert!(after.starts_with("[mcp_servers.truedy]\ncommand = ") && !after.contains("B = "), "{after}");
    for kept in [
        "[mcp_servers.truedy.tools.list_numbers]\napproval_mode = \"approve\"\n",
        "\n# of other\n[mcp_servers.other]\ncommand = \"z\"\n",
    ] {
        assert!(after.contains(kept), "{after}");
    }
    let left = take(&after, "mcp_servers", "truedy").expect("taken");
    assert_eq!(left.trim_start(), "# of other\n[mcp_servers.other]\ncommand = \"z\"\n");
}

#[test]
fn a_file_that_is_not_understood_is_refused_with_its_line_and_none_of_its_content() {
    for (text, told) in [
        ("a = hunter2\n", "line 1, column "),
        ("a = 1\na = 2\n", "line 2, column 1: duplicate key"),
        ("[a\n", "line 1, column "),
        ("mcp_servers = { other = { command = \"hunter2\" } }\n", "line 1, column 15: mcp_servers is written in a way"),
        ("mcp_servers = \"hunter2\"\n", "line 1, column 15: mcp_servers is written in a way"),
        ("[mcp_servers]\ntruedy = { command = \"hunter2\" }\n", "line 2, column 10: "),
        ("[[mcp_servers]]\nx = 1\n", "line 1, column 1: mcp_servers is written in a way"),
    ] {
        let why = put(text, "mcp_servers", "truedy", &fields()).expect_err(text);
        assert!(why.starts_with(told) && !why.contains("hunter2"), "{text}: {why}");
    }
}
