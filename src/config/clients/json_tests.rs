//! Tests of entries in JSON files, hostile ones among them.

use serde_json::json;

use super::*;

fn fields() -> [(&'static str, Value); 2] {
    [("command", "/opt/a b/it's \"q\"/truedy-mcp".into()), ("args", json!(["stdio", "--sandbox"]))]
}

const ENTRY: &str = "\"command\": \"/opt/a b/it's \\\"q\\\"/truedy-mcp\"";

#[test]
fn an_entry_is_written_as_the_rest_of_the_file_is() {
    let args = "\"args\": [\"stdio\", \"--sandbox\"]";
    for (before, after) in [
        ("", format!("{{\n  \"mcpServers\": {{\n    \"truedy\": {{\n      {ENTRY},\n      {args}\n    }}\n  }}\n}}\n")),
        (
            "// mine\n",
            format!(
                "// mine\n{{\n  \"mcpServers\": {{\n    \"truedy\": {{\n      {ENTRY},\n      {args}\n    }}\n  }}\n}}\n"
            ),
        ),
        ("{}", format!("{{\n  \"mcpServers\": {{\n    \"truedy\": {{\n      {ENTRY},\n      {args}\n    }}\n  }}\n}}")),
        ("{\"a\":1}", format!("{{\"a\":1, \"mcpServers\": {{\"truedy\": {{{ENTRY}, {args}}}}}}}")),
        (
            "{\r\n\t\"mcpServers\": {\r\n\t\t\"x\": {}\r\n\t}\r\n}",
            format!(
                "{{\r\n\t\"mcpServers\": {{\r\n\t\t\"x\": {{}},\r\n\t\t\"truedy\": {{\r\n\t\t\t{ENTRY},\r\n\t\t\t{args}\r\n\t\t}}\r\n\t}}\r\n}}"
            ),
        ),
        (
            "{\n  \"mcpServers\": {\n    \"x\": {}, // last\n  },\n}\n",
            format!(
                "{{\n  \"mcpServers\": {{\n    \"x\": {{}}, // last\n    \"truedy\": {{\n      {ENTRY},\n      {args}\n    }},\n  }},\n}}\n"
            ),
        ),
        (
            "{\n  \"mcpServers\": {\n    \"x\": {} // last\n  }\n}\n",
            format!(
                "{{\n  \"mcpServers\": {{\n    \"x\": {{}}, // last\n    \"truedy\": {{\n      {ENTRY},\n      {args}\n    }}\n  }}\n}}\n"
            ),
        ),
        (
            "{\n  \"mcpServers\": {}, \"b\": [1,\n2]\n}",
            format!(
                "{{\n  \"mcpServers\": {{\n    \"truedy\": {{\n      {ENTRY},\n      {args}\n    }}\n  }}, \"b\": [1,\n2]\n}}"
            ),
        ),
    ] {
        let written = put(before, "mcpServers", "truedy", &fields()).expect(before);
        assert_eq!(written, after);
        assert_eq!(put(&written, "mcpServers", "truedy", &fields()).expect(before), after, "a second time");
    }
}

#[test]
fn an_entry_is_taken_out_with_its_comma_and_its_line_alone() {
    for text in [
        "{\n  \"mcpServers\": {\n    \"x\": {}\n  }\n}\n",
        "{\n  \"mcpServers\": {\n    \"x\": {}, // last\n  }\n}\n",
        "{\n  \"mcpServers\": {\n    \"x\": {} // last\n  }\n}\n",
        "{\r\n\t\"mcpServers\": {\r\n\t\t\"x\": {} /* a */\r\n\t}\r\n}",
        "{\"mcpServers\":{\"x\":{}}}",
        "{ \"mcpServers\": { \"x\": {}, } }",
        "{\n  \"mcpServers\": {\n    // nothing yet\n  }\n}\n",
    ] {
        let written = put(text, "mcpServers", "truedy", &fields()).expect(text);
        assert_ne!(written, text);
        assert_eq!(take(&written, "mcpServers", "truedy").expect(text), text);
    }
    for (text, rest) in [
        ("{\"mcpServers\": {\"truedy\": {}, \"x\": 1}}", "{\"mcpServers\": {\"x\": 1}}"),
        ("{\"mcpServers\": {\"x\": 1, \"truedy\": {}}}", "{\"mcpServers\": {\"x\": 1}}"),
        (
            "{\"mcpServers\": {\n  \"x\": 1, // of x\n  \"truedy\": {} }}",
            "{\"mcpServers\": {\n  \"x\": 1 // of x\n   }}",
        ),
        (
            "{\"mcpServers\": {\n  // first\n  \"truedy\": {}, // ours\n  \"x\": 1\n}}",
            "{\"mcpServers\": {\n  // first\n  // ours\n  \"x\": 1\n}}",
        ),
        ("{\"mcpServers\": {}}", "{\"mcpServers\": {}}"),
        ("{}", "{}"),
        ("", ""),
    ] {
        let left = take(text, "mcpServers", "truedy").expect(text);
        assert_eq!(left, rest);
        content(&left).expect("it can be read");
    }
}

#[test]
fn a_file_that_is_not_understood_is_refused_with_its_line_and_none_of_its_content() {
    for (text, told) in [
        ("{\n  \"a\": hunter2\n}", "line 2, column 8: "),
        ("{\n  \"a\": 1\n  \"b\": 2\n}", "line 2, column 9: expected comma"),
        ("{\"a\": 1", "line 1, column 1: unterminated object"),
        ("{\"a\": 'hunter2'}", "line 1, column 7: "),
        ("[]", "line 1, column 1: expected an object"),
        ("\"hunter2\"", "line 1, column 1: expected an object"),
        ("{\"mcpServers\": []}", "line 1, column 16: mcpServers is no object"),
        ("{\"mcpServers\": null}", "line 1, column 16: mcpServers is no object"),
        ("{\"mcpServers\": {},\n \"mcpServers\": {}}", "line 2, column 2: mcpServers stands there a second time"),
        (
            "{\"mcpServers\": {\"truedy\": 1,\n \"tr\\u0075edy\": 2}}",
            "line 2, column 2: truedy stands there a second time",
        ),
        ("{} {}", "line 1, column "),
    ] {
        for why in [
            put(text, "mcpServers", "truedy", &fields()).expect_err(text),
            take(text, "mcpServers", "truedy").expect_err(text),
        ] {
            assert!(why.starts_with(told) && !why.contains("hunter2"), "{text}: {why}");
        }
    }
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(put(&deep, "mcpServers", "truedy", &fields()).is_err());
}

#[test]
fn an_input_is_put_at_the_end_of_the_list_and_taken_out_when_nothing_names_it() {
    let input = [("type", "promptString".into()), ("id", "truedy-key".into())];
    for before in ["{\n  \"inputs\": [\n    {\"id\": \"x\"}\n  ]\n}", "{\"inputs\":[{\"id\":\"x\"}]}"] {
        let written = put_input(before, "inputs", "truedy-key", &input).expect(before);
        assert_eq!(content(&written).expect("read").pointer("/inputs/1/id"), Some(&json!("truedy-key")), "{written}");
        assert_eq!(put_input(&written, "inputs", "truedy-key", &input).expect(before), written);
        assert_eq!(take_input(&written, "inputs", "truedy-key").expect(before), before);
    }
    let written = put_input("{\n  \"a\": 1\n}\n", "inputs", "truedy-key", &input).expect("written");
    assert_eq!(
        written,
        "{\n  \"a\": 1,\n  \"inputs\": [\n    {\n      \"type\": \"promptString\",\n      \"id\": \"truedy-key\"\n    }\n  ]\n}\n"
    );
    let named = written.replace("\"a\": 1", "\"a\": \"${input:truedy-key}\"");
    assert_eq!(take_input(&named, "inputs", "truedy-key").expect("kept"), named);
    assert!(put_input("{\"inputs\": 1}", "inputs", "k", &input).is_err_and(|why| why.contains("inputs is no list")));
}
