//! Skills: the tasks of the prompts and the guide, each as a `SKILL.md` that a model opens by itself when it needs it.
//!
//! Source: SEP-2640, extension `io.modelcontextprotocol/skills`. Each skill is offered with the tools that it needs.

use rmcp::model::{ErrorData, GetSkillResult, SKILL_MD, Skill, SkillFrontmatter, SkillResource, SkillResources};
use serde_json::json;

use crate::domain::clean_to;
use crate::mcp::offer::catalog::Catalog;
use crate::mcp::offer::prompts::{self, BYOC, Prompt};
use crate::mcp::tenant::principal::Principal;

/// The start of the address of every skill.
const SCHEME: &str = "skill://";

/// The longest address that an error repeats, in characters.
const SHOWN: usize = 128;

/// A skill with its text.
struct SkillFile {
    name: String,
    description: &'static str,
    text: String,
}

impl SkillFile {
    /// Writes the file: the frontmatter, whose description is a text in quotes, then the title and the steps.
    fn new(name: String, description: &'static str, body: &str) -> Self {
        let text = format!("---\nname: {name}\ndescription: {}\n---\n\n{}\n", json!(description), body.trim_end());
        Self { name, description, text }
    }

    fn of(prompt: &Prompt) -> Self {
        let body = format!("# {}\n\n{}", prompt.title, prompt.steps);
        Self::new(prompt.name.replace('_', "-"), prompt.description, &body)
    }

    fn guide() -> Self {
        Self::new(
            "byoc-guide".to_owned(),
            "How to bring a number from Twilio, Telnyx or a SIP trunk (BYOC), step by step, and how to go back.",
            BYOC,
        )
    }

    fn uri(&self) -> String {
        format!("{SCHEME}{}/{SKILL_MD}", self.name)
    }

    fn card(&self) -> Skill {
        let file = SkillResource::from_bytes(self.uri(), self.text.as_bytes());
        let frontmatter = SkillFrontmatter::new(self.name.clone(), self.description);
        Skill::new(self.uri(), frontmatter, SkillResources::Files(vec![file]))
    }
}

fn files(catalog: &Catalog, principal: &Principal) -> impl Iterator<Item = SkillFile> {
    prompts::offered(catalog, principal).map(SkillFile::of).chain([SkillFile::guide()])
}

/// Returns the skills that this caller is offered, with the digest of each file.
pub(crate) fn list(catalog: &Catalog, principal: &Principal) -> Vec<Skill> {
    files(catalog, principal).map(|file| file.card()).collect()
}

/// Returns the skill at this address, or an error that says there is none for this caller.
pub(crate) fn get(uri: &str, catalog: &Catalog, principal: &Principal) -> Result<GetSkillResult, ErrorData> {
    let found = files(catalog, principal).find(|file| file.uri() == uri).map(|file| GetSkillResult::new(file.card()));
    let shown = || clean_to(&principal.tenant.service.hide(uri), SHOWN);
    found.ok_or_else(|| ErrorData::invalid_params(format!("There is no skill {}", shown()), None))
}

/// Returns the text of the file at this address. `None` if it is no file of a skill that this caller is offered.
pub(crate) fn read(uri: &str, catalog: &Catalog, principal: &Principal) -> Option<String> {
    // No skill is built for any other address.
    uri.strip_prefix(SCHEME)?;
    files(catalog, principal).find(|file| file.uri() == uri).map(|file| file.text)
}
