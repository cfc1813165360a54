"""Bundles for Claude Desktop (`.mcpb`, manifest 0.3): a double click installs the program and asks for the key."""

import files
import icon
from archive import licences
from facts import prompts, tools


def make(facts, out, level):
    """Writes one bundle a target."""
    picture = icon.png()
    for target, program in facts.built():
        entries = [
            files.as_json("manifest.json", manifest(facts, target)),
            files.Entry(f"server/{target.binary}", program.read_bytes(), True),
            files.Entry("icon.png", picture),
            *licences(""),
        ]
        files.zipped(out / name_of(facts, target), entries, level)


def name_of(facts, target):
    return f"{facts.name}-{facts.version}-{target.triple}.mcpb"


def manifest(facts, target):
    program = f"${{__dirname}}/server/{target.binary}"
    return {
        "manifest_version": "0.3",
        "name": facts.name,
        "display_name": facts.title,
        "version": facts.version,
        "description": facts.description,
        "author": {"name": facts.project["owner"], "url": facts.project["homepage"]},
        "repository": {"type": "git", "url": facts.project["repository"]},
        "homepage": facts.project["homepage"],
        "icon": "icon.png",
        "server": {
            "type": "binary",
            "entry_point": f"server/{target.binary}",
            "mcp_config": {"command": program, "args": ["stdio"], "env": environment(facts)},
        },
        "tools": tools(facts),
        "prompts": [prompt_entry(prompt) for prompt in prompts(facts)],
        "keywords": facts.keywords,
        "license": facts.licence,
        "compatibility": {"platforms": [target.mcpb]},
        "user_config": {key(field): asked(facts, field, "sensitive") | {"required": False} for field in facts.fields},
    }


def prompt_entry(prompt):
    arguments = [argument["name"] for argument in prompt.get("arguments", [])]
    # The server itself writes the text; the manifest needs one.
    return {"name": prompt["name"], "description": prompt["description"], "text": prompt["description"]} | (
        {"arguments": arguments} if arguments else {}
    )


def environment(facts):
    """The variable of each field, from what the user filled in."""
    return {facts.variable(field["setting"]): f"${{user_config.{key(field)}}}" for field in facts.fields}


def asked(facts, field, secret):
    """What a client asks the user. Without a default, a blank field would pass its own placeholder on."""
    is_switch = facts.settings[field["setting"]]["kind"] == "switch"
    kind = {"type": "boolean", "default": False} if is_switch else {"type": "string", "default": ""}
    return {"title": field["title"], "description": field["description"], **kind} | ({secret: True} if field.get("secret") else {})


def key(field):
    return field["setting"].replace("-", "_")
