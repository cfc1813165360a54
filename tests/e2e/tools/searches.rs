//! A search that cannot succeed is refused before anything is sent, with what would be right.

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::expected::TOOLS;
use crate::support::fake_truedy::{SEARCH, Upstream};
use crate::support::program::{home, server};
use crate::support::raw_client::Wire;

fn open(upstream: &Upstream) -> Wire {
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(home());
    Wire::open(command, Era::Modern)
}

#[test]
fn an_area_code_names_its_country_and_those_that_have_any() {
    let upstream = Upstream::start();
    let mut wire = open(&upstream);
    for (arguments, parts) in [
        (json!({ "area_code": "416" }), &["416 is an area code of CA", "country_code CA"][..]),
        (json!({ "area_code": 416, "country_code": "US" }), &["416 is an area code of CA"]),
        (json!({ "area_code": "787" }), &["787 is an area code of PR", "US and CA only", "country_code PR"]),
        (json!({ "area_code": "787", "country_code": "PR" }), &["area codes are for US and CA only"]),
        (json!({ "area_code": "876", "country_code": "CA" }), &["876 is an area code of JM"]),
        (json!({ "area_code": "020", "country_code": "GB" }), &["area codes are for US and CA only"]),
        (json!({ "area_code": "4155" }), &["has three digits, and this has 4", "\"example\":\"415\""]),
        (json!({ "area_code": 41, "country_code": "CA" }), &["has three digits, and this has 2"]),
        (json!({ "area_code": "911" }), &["911 is the number of a service (N11), and no area code"]),
        (json!({ "area_code": "411", "country_code": "CA" }), &["411 is the number of a service (N11)"]),
        (json!({ "area_code": "015" }), &["no area code begins with 0 or 1, and 015 does"]),
    ] {
        let refused = wire.call("search_numbers", arguments.clone());
        assert_eq!(refused.status(), "invalid_argument", "{arguments}: {}", refused.0);
        let told = refused.summary().to_owned() + &refused.object()["problems"].to_string();
        for part in parts {
            assert!(told.contains(part), "{arguments}: {told}");
        }
        assert!(!told.contains("there are none in"), "PR has area codes: {told}");
    }
    assert_eq!(upstream.seen().len(), 0, "nothing is sent");
    // The right country, a code that serves both, and one that no list knows yet.
    for arguments in [
        json!({ "area_code": "416", "country_code": "CA" }),
        json!({ "area_code": "415" }),
        json!({ "area_code": "415", "country_code": "CA" }),
        json!({ "area_code": "800" }),
        json!({ "area_code": "235", "country_code": "CA" }),
    ] {
        let searched = wire.call("search_numbers", arguments.clone());
        assert_eq!(searched.status(), "ok", "{arguments}: {}", searched.0);
    }
    assert_eq!(upstream.count(SEARCH), 5);
}

#[test]
fn a_code_that_no_country_has_is_refused_with_the_one_that_is_meant() {
    let upstream = Upstream::start();
    let mut wire = open(&upstream);
    for (wrong, meant) in
        [("UK", Some("GB")), ("EL", Some("GR")), ("XX", None), ("gb", Some("GB")), ("England", Some("GB"))]
    {
        let refused = wire.call("search_numbers", json!({ "country_code": wrong }));
        assert_eq!(refused.status(), "invalid_argument", "{wrong}: {}", refused.0);
        let told = &refused.object()["problems"][0];
        assert_eq!(told["field"], "country_code");
        assert_eq!(told.get("did_you_mean").and_then(Value::as_str), meant, "{}", refused.0);
        if let Some(meant) = meant {
            assert!(refused.summary().contains(&format!(" (did you mean {meant}?). ")), "{}", refused.summary());
        }
    }
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(wire.call("search_numbers", json!({ "country_code": "GB" })).status(), "ok");
}

/// What a widely used scanner of MCP servers takes for an attack (`cisco-ai-mcp-scanner`, rules in YARA): phrases that a
/// description may have without meaning it.
const SUSPECTED: [&str; 3] = [
    r"(?i)\b(extract|parse|scan|search|find|identify)(s|ing|ed)?\s+(all|any)?\s*(api[_\s]?keys?|tokens?|credentials?|phone|credit\s+card|personal|private|sensitive)",
    r"(?i)\b(do not execute[^\n]*other[^\n]*tool|must[^\n]*this tool|only[^\n]*this tool|tool[^\n]*will not work)\b",
    r"(?i)\b(do\s+not\s+(mention|tell|execute)|tell\s+(the )?user\s+only)\b",
];

#[test]
fn no_phrase_of_the_catalogue_is_taken_for_an_attack() {
    let upstream = Upstream::start();
    let listed = open(&upstream).ask("tools/list", json!({}));
    let tools = listed["result"]["tools"].as_array().expect("tools");
    assert_eq!(tools.len(), TOOLS.len());
    for pattern in SUSPECTED {
        let pattern = regex_lite::Regex::new(pattern).expect("a pattern");
        for tool in tools {
            let text = tool.to_string();
            assert!(
                !pattern.is_match(&text),
                "{}: {:?}",
                tool["name"],
                pattern.find(&text).map(|found| found.as_str())
            );
        }
    }
}
