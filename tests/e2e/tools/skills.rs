//! Skills: the tasks of the prompts as files that a model opens by itself, for whoever is offered the tools behind them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::era::Era;
use crate::support::program::{nobody, server};
use crate::support::raw_client::Wire;

fn open(arguments: &[&str], era: Era) -> Wire {
    let mut command = server(&nobody().1);
    command.args(arguments);
    Wire::open(command, era)
}

fn listed(wire: &mut Wire) -> Vec<Value> {
    let answer = wire.ask("skills/list", json!({}));
    answer["result"]["skills"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

fn names(skills: &[Value]) -> Vec<&str> {
    skills.iter().map(|skill| skill["frontmatter"]["name"].as_str().unwrap()).collect()
}

#[test]
fn each_prompt_and_the_guide_is_a_skill_whose_file_is_what_its_digest_says() {
    for era in Era::BOTH {
        let mut wire = Wire::start(server(&nobody().1), era);
        let begun = wire.begin();
        assert_eq!(begun["result"]["capabilities"]["extensions"]["io.modelcontextprotocol/skills"], json!({}));
        let skills = listed(&mut wire);
        let expected =
            ["provision-number", "bring-your-own-number", "audit-numbers", "release-number-safely", "byoc-guide"];
        assert_eq!(names(&skills), expected, "{era:?}");
        for skill in &skills {
            let (uri, name) = (&skill["uri"], skill["frontmatter"]["name"].as_str().unwrap());
            let description = skill["frontmatter"]["description"].as_str().unwrap();
            assert_eq!(uri, &json!(format!("skill://{name}/SKILL.md")));
            assert_eq!(wire.ask("skills/get", json!({ "uri": uri }))["result"]["skill"], *skill, "{era:?} {name}");
            let read = wire.ask("resources/read", json!({ "uri": uri }));
            let file = &read["result"]["contents"][0];
            let text = file["text"].as_str().unwrap_or_else(|| panic!("{read}"));
            assert_eq!(file["mimeType"], "text/markdown");
            let head = format!("---\nname: {name}\ndescription: {}\n---\n\n# ", json!(description));
            assert!(text.starts_with(&head), "{text}");
            let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            let resource = json!([{ "uri": uri, "digest": format!("sha256:{digest}"), "size": text.len() }]);
            assert_eq!(skill["resources"], resource, "{name}");
        }
    }
}

#[test]
fn a_skill_is_offered_with_the_tools_that_it_needs() {
    for era in Era::BOTH {
        let mut wire = open(&["--read-only"], era);
        assert_eq!(names(&listed(&mut wire)), ["audit-numbers", "byoc-guide"], "{era:?}");
        for uri in ["skill://provision-number/SKILL.md", "skill://release-number-safely/SKILL.md"] {
            assert_eq!(wire.ask("skills/get", json!({ "uri": uri }))["error"]["code"], -32602, "{era:?} {uri}");
            let read = wire.ask("resources/read", json!({ "uri": uri }));
            assert!(read["error"]["message"].as_str().is_some_and(|told| told.contains("no resource")), "{read}");
        }
        let mut wire = open(&["--exclude-tools", "release_number"], era);
        let skills = listed(&mut wire);
        assert!(!names(&skills).contains(&"release-number-safely") && skills.len() == 4, "{skills:?}");
    }
}

#[test]
fn what_is_no_skill_is_refused() {
    let mut wire = open(&[], Era::Modern);
    for uri in [
        "skill://nothing/SKILL.md",
        "skill://audit-numbers/",
        "skill://audit-numbers",
        "skill://audit-numbers/../byoc-guide/SKILL.md",
        "SKILL://audit-numbers/SKILL.md",
        "skill://audit_numbers/SKILL.md",
        "truedy://guides/byoc",
        "",
    ] {
        assert_eq!(wire.ask("skills/get", json!({ "uri": uri }))["error"]["code"], -32602, "{uri}");
    }
    for uri in ["skill://nothing/SKILL.md", "skill://audit-numbers/", "skill://audit-numbers/other.md"] {
        assert!(wire.ask("resources/read", json!({ "uri": uri }))["error"].is_object(), "{uri}");
    }
    assert_eq!(wire.ask("skills/get", json!({}))["error"]["code"], -32602);
    assert_eq!(wire.ask("resources/directory/read", json!({ "uri": "skill://" }))["error"]["code"], -32601);
}
