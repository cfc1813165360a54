"""What all packages are made from: Cargo.toml, settings.json, packages.toml, the owner and the programs themselves."""

import json
import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "packaging"
# The owner of the throw-away names.
EXAMPLE = "example"


class Refused(Exception):
    """Why a package cannot be made, in a sentence for whoever runs the command."""


@dataclass(frozen=True)
class Target:
    """A machine, and what each kind of package calls it."""

    triple: str
    npm: str
    wheel: str
    mcpb: str
    image: str = ""

    @property
    def binary(self):
        """The name of the program's file."""
        return "truedy-mcp.exe" if self.mcpb == "win32" else "truedy-mcp"


@dataclass(frozen=True)
class Facts:
    """Everything that a package says. `programs` holds the file of each target for which there is one."""

    name: str
    version: str
    licence: str
    keywords: list
    title: str
    description: str
    fields: list
    settings: dict
    registry_settings: list
    targets: list
    programs: dict
    project: dict
    published: dict
    host: Path

    @property
    def is_example(self):
        return self.project["owner"] == EXAMPLE

    def published_as(self, channel):
        """The name on a channel. Refused: nobody has set it."""
        name = self.published.get(channel, "")
        if not name:
            raise Refused(f"nobody has set [published] {channel} in the project file, so nothing is made for it")
        return name

    def variable(self, setting):
        """The variable of a setting, by its flag without dashes."""
        if setting not in self.settings:
            raise Refused(f"packages.toml names the setting {setting}, which the program does not have")
        return self.settings[setting]["variable"]

    def built(self):
        """The targets that have a program, each with its file."""
        if not self.programs:
            raise Refused("no program is given: --program TARGET=FILE")
        return [(target, self.programs[target.triple]) for target in self.targets if target.triple in self.programs]


def load(project_file, programs, host):
    """Reads all facts. `programs` maps a target to a file; `host` is a program that runs on this machine."""
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    table = tomllib.loads((HERE / "packages.toml").read_text())
    owner = owner_of(project_file)
    targets = [Target(**target) for target in table["target"]]
    known = [target.triple for target in targets]
    for triple, file in programs.items():
        if triple not in known:
            raise Refused(f"{triple} is not in packages.toml, which has {', '.join(known)}")
        if not Path(file).is_file():
            raise Refused(f"there is no file {file}")
    settings = json.loads((HERE / "settings.json").read_text())["settings"]
    if len(table["program"]["description"]) > 100:
        raise Refused("the description in packages.toml has more than 100 characters")
    facts = Facts(
        name=cargo["name"], version=cargo["version"], licence=cargo["license"], keywords=cargo["keywords"],
        title=table["program"]["title"], description=table["program"]["description"], fields=table["field"],
        settings={setting["flag"] or "api-key": setting for setting in settings},
        registry_settings=table["registry"]["settings"], targets=targets,
        programs={triple: Path(file) for triple, file in programs.items()},
        project=owner["project"], published=owner["published"], host=Path(host) if host else None,
    )
    check_version(facts)
    return facts


def owner_of(project_file):
    """Owner and published names. Refused: nobody owns the project."""
    owner = tomllib.loads(Path(project_file).read_text())
    for field in ("owner", "repository", "homepage"):
        if not owner["project"].get(field):
            raise Refused(
                f"nobody has set [project] {field} in {project_file}, so nothing that could be published is made; "
                "to try the packages, use --project packaging/example-project.toml"
            )
    return owner


def check_version(facts):
    """Refuses a program of another version than Cargo.toml has."""
    said = run(facts, "--version").split()
    if said[:2] != [facts.name, facts.version]:
        raise Refused(f"{facts.host} says {' '.join(said[:2])}, and Cargo.toml has version {facts.version}")


def run(facts, *words, given=""):
    """What the program of this machine prints. It gets none of the caller's variables and no home folder."""
    if facts.host is None:
        raise Refused("no program runs on this machine: name one with --host FILE")
    ran = subprocess.run(
        [os.path.abspath(facts.host), *words], input=given, capture_output=True, text=True, env={}, timeout=60, check=False
    )
    if ran.returncode != 0:
        raise Refused(f"{facts.host} {' '.join(words)} failed: {ran.stderr.strip()}")
    return ran.stdout


def tools(facts):
    """Name and first sentence of each tool."""
    listed = json.loads(run(facts, "tools", "--json"))["tools"]
    return [{"name": tool["name"], "description": first_sentence(tool["description"])} for tool in listed]


def prompts(facts):
    """The prompts as a client receives them: name, title, description, arguments."""
    client = {"name": "packages", "version": facts.version}
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "prompts/list"},
    ]
    said = run(facts, "stdio", "--sandbox", "--ephemeral", given="".join(json.dumps(line) + "\n" for line in lines))
    answers = [json.loads(line) for line in said.splitlines()]
    return next(answer for answer in answers if answer.get("id") == 2)["result"]["prompts"]


def first_sentence(text):
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
