"""A plugin for Claude Code, and the marketplace that offers it: the server by npx, and the prompts as skills."""

import shutil

import files
import icon
from archive import licences
from bundle import asked, environment, key
from facts import ROOT, Refused, prompts

GUIDES = ROOT / "src/mcp/offer/guides"
# The prompt that needs to know what to set at the carrier, and the guide that says it.
AT_THE_CARRIER = ("bring_your_own_number", "byoc.md")


def make(facts, out, level):
    """Writes a folder that is a marketplace with the one plugin: the content of a repository of its own."""
    npm, repository = facts.published_as("npm"), facts.published_as("claude_marketplace")
    folder = out / "claude-code"
    shutil.rmtree(folder, ignore_errors=True)
    entries = [
        files.as_json(".claude-plugin/marketplace.json", marketplace(facts)),
        files.as_json("plugins/truedy/.claude-plugin/plugin.json", plugin(facts, npm)),
        files.Entry("plugins/truedy/.claude-plugin/icon.png", icon.png()),
        files.text("plugins/truedy/README.md", readme(facts, repository)),
        *licences("plugins/truedy/"),
        *skills(facts),
    ]
    for entry in entries:
        file = folder / entry.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(entry.content)


def marketplace(facts):
    entry = {"name": "truedy", "source": "./plugins/truedy", "description": facts.description, "version": facts.version}
    return {
        "name": facts.name,
        "owner": {"name": facts.project["owner"]},
        "metadata": {"description": f"{facts.title}: the plugin of {facts.name}", "version": facts.version},
        "plugins": [entry | {"category": "productivity", "keywords": facts.keywords}],
    }


def plugin(facts, npm):
    server = {"command": "npx", "args": ["-y", f"{npm}@{facts.version}", "stdio"], "env": environment(facts)}
    return {
        "name": "truedy",
        "version": facts.version,
        "description": facts.description,
        "author": {"name": facts.project["owner"], "url": facts.project["homepage"]},
        "homepage": facts.project["homepage"],
        "repository": facts.project["repository"],
        "license": facts.licence,
        "keywords": facts.keywords,
        "userConfig": {key(field): asked(facts, field, "sensitive") for field in facts.fields},
        "mcpServers": {"truedy": server},
    }


def skills(facts):
    """One skill a prompt, with the steps of the prompt."""
    made = []
    for prompt in prompts(facts):
        guide = GUIDES / f"{prompt['name']}.md"
        if not guide.is_file():
            raise Refused(f"the prompt {prompt['name']} has no steps in {guide.relative_to(ROOT)}")
        folder = f"plugins/truedy/skills/{prompt['name'].replace('_', '-')}"
        made.append(files.text(f"{folder}/SKILL.md", skill(prompt, guide.read_text())))
        if prompt["name"] == AT_THE_CARRIER[0]:
            made.append(files.Entry(f"{folder}/{AT_THE_CARRIER[1]}", (GUIDES / AT_THE_CARRIER[1]).read_bytes()))
    return made


def skill(prompt, steps):
    name = prompt["name"].replace("_", "-")
    head = f"---\nname: {name}\ndescription: {quoted(prompt['description'])}\n---\n\n# {prompt['title']}\n\n"
    told = [f"- `{argument['name']}`: {argument['description']}" for argument in prompt.get("arguments", [])]
    asked_first = "\n\nAsk for what I did not say:\n\n" + "\n".join(told) + "\n" if told else "\n"
    with_guide, guide = AT_THE_CARRIER
    more = f"\n[{guide}]({guide}) says what to set at each carrier.\n" if prompt["name"] == with_guide else ""
    return head + steps.rstrip() + asked_first + more


def quoted(text):
    """A text of one line as YAML has it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def readme(facts, repository):
    fields = "".join(f"- {field['title']}: {field['description']}\n" for field in facts.fields)
    return (
        f"# {facts.title}\n\n{facts.description}.\n\n"
        f"```text\n/plugin install truedy --marketplace {repository}\n```\n\n"
        f"Claude Code asks for three things when you install the plugin. All of them can be left blank:\n\n{fields}\n"
        f"It needs Node 18 or newer. More: <{facts.project['homepage']}>\n"
    )
