"""Wheels for PyPI: the program as it is, put where pip and uv put programs. There is no Python in them."""

import base64
import hashlib
import re

import files
from archive import licences


def make(facts, out, level):
    """Writes one wheel a target."""
    name = facts.published_as("pypi")
    # The form of names in file names: PEP 427 and 503.
    plain = re.sub(r"[-_.]+", "_", name).lower()
    info = f"{plain}-{facts.version}.dist-info"
    for target, program in facts.built():
        tags = [f"py3-none-{platform}" for platform in target.wheel.split(".")]
        entries = [
            files.Entry(f"{plain}-{facts.version}.data/scripts/{target.binary}", program.read_bytes(), True),
            files.text(f"{info}/METADATA", metadata(facts, name)),
            files.text(f"{info}/WHEEL", wheel_file(tags)),
            *licences(f"{info}/licenses/"),
        ]
        record = "".join(f"{entry.path},{digest(entry.content)},{len(entry.content)}\n" for entry in entries)
        entries.append(files.text(f"{info}/RECORD", f"{record}{info}/RECORD,,\n"))
        files.zipped(out / f"{plain}-{facts.version}-py3-none-{target.wheel}.whl", entries, level)


def digest(content):
    """The hash as RECORD has it: URL-safe base64 without padding."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def wheel_file(tags):
    lines = ["Wheel-Version: 1.0", "Generator: truedy-mcp packaging", "Root-Is-Purelib: false", *(f"Tag: {tag}" for tag in tags)]
    return "\n".join(lines) + "\n"


def metadata(facts, name):
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {facts.version}",
        f"Summary: {facts.description}",
        f"License-Expression: {facts.licence}",
        "License-File: LICENSE-APACHE",
        "License-File: LICENSE-MIT",
        f"Keywords: {','.join(facts.keywords)}",
        f"Project-URL: Homepage, {facts.project['homepage']}",
        f"Project-URL: Repository, {facts.project['repository']}",
        "Requires-Python: >=3.8",
        "Description-Content-Type: text/markdown",
    ]
    if facts.is_example:
        # PyPI refuses to take what has this classifier.
        lines.append("Classifier: Private :: Do Not Upload")
    run = "uvx truedy-mcp" if name == "truedy-mcp" else f"uvx --from {name} truedy-mcp"
    body = f"# {facts.title}\n\n{facts.description}. An MCP server.\n\n```sh\n{run} tour\n```\n"
    registry = facts.published.get("mcp_registry")
    if registry:
        # By this line the registry of MCP servers sees that both have one owner.
        body += f"\n<!-- mcp-name: {registry} -->\n"
    return "\n".join(lines) + f"\n\n{body}\nEverything else: <{facts.project['homepage']}>\n"
