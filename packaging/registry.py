"""server.json for the registry of MCP servers, schema 2025-12-11, with the rules of that registry checked."""

import re

import files
from bundle import name_of
from facts import Refused

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
STDIO = [{"type": "positional", "value": "stdio"}]
# The channels that are registries by themselves: our name, theirs, their address, and what starts a package of theirs.
NAMED = [
    ("npm", "npm", "https://registry.npmjs.org", {"runtimeHint": "npx"}),
    ("pypi", "pypi", "https://pypi.org", {"runtimeHint": "uvx"}),
    ("crates_io", "cargo", "https://crates.io", {}),
]


def make(facts, out, level):
    """Writes server.json. The bundles must have been made, since their checksums stand in it."""
    server = {
        "$schema": SCHEMA,
        "name": facts.published_as("mcp_registry"),
        "title": facts.title,
        "description": facts.description,
        "version": facts.version,
        "websiteUrl": facts.project["homepage"],
        "repository": {"url": facts.project["repository"], "source": source(facts.project["repository"])},
        "packages": packages(facts, out),
    }
    check(server)
    (out / "server.json").write_bytes(files.as_json("server.json", server).content)


def packages(facts, out):
    """One entry a channel that has a name, and one for each bundle."""
    shared = {"transport": {"type": "stdio"}, "environmentVariables": variables(facts)}
    made = []
    for channel, kind, url, hint in NAMED:
        if facts.published.get(channel):
            entry = {"registryType": kind, "registryBaseUrl": url, "identifier": facts.published[channel], "version": facts.version}
            made.append(entry | hint | {"packageArguments": STDIO} | shared)
    if facts.published.get("container_image"):
        # An image has its version in the name, and starts `stdio` by itself.
        image = f"{facts.published['container_image']}:{facts.version}"
        volume = {"type": "named", "name": "-v", "value": "truedy-state:/var/lib/truedy-mcp"}
        made.append({"registryType": "oci", "identifier": image, "runtimeHint": "docker", "runtimeArguments": [volume], **shared})
    for target, _ in facts.built():
        bundle = out / name_of(facts, target)
        if not bundle.is_file():
            raise Refused(f"{bundle.name} is not there: make mcpb before registry")
        url = f"{facts.project['repository']}/releases/download/v{facts.version}/{bundle.name}"
        made.append({"registryType": "mcpb", "identifier": url, "fileSha256": files.sha256(bundle.read_bytes()), **shared})
    return made


def variables(facts):
    """The variables that a client may offer, in the words of the program."""
    made = []
    for field in facts.fields:
        entry = {"name": facts.variable(field["setting"]), "description": field["description"]}
        if facts.settings[field["setting"]]["kind"] == "switch":
            entry |= {"format": "boolean", "default": "false"}
        if field.get("secret"):
            entry |= {"isSecret": True}
        made.append(entry)
    for flag in facts.registry_settings:
        setting = {"name": facts.variable(flag)} | facts.settings[flag]
        entry = {"name": setting["name"], "description": setting["help"]}
        if setting["kind"] == "path":
            entry |= {"format": "filepath"}
        entry |= {key: setting[key] for key in ("default", "choices") if setting[key]}
        made.append(entry)
    return made


def source(repository):
    """The registry's word for the host of a repository."""
    for word in ("github", "gitlab"):
        if repository.startswith(f"https://{word}.com/"):
            return word
    raise Refused(f"the registry takes repositories on github.com and gitlab.com, not {repository}")


def check(server):
    """The rules of the schema and of the registry that a mistake in the table could break."""
    wrong = []
    if not re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", server["name"]):
        wrong.append("name must be a reversed domain, a slash and a name")
    for field in ("title", "description"):
        if not 1 <= len(server[field]) <= 100:
            wrong.append(f"{field} must have 1 to 100 characters")
    for package in server["packages"]:
        wrong += [f"{package['registryType']}: {why}" for why in wrong_with(package)]
    if wrong:
        raise Refused("server.json: " + "; ".join(wrong))


def wrong_with(package):
    """What is wrong with one package, a text each."""
    kind, version = package["registryType"], package.get("version")
    if kind == "oci" and (version or ":" not in package["identifier"]):
        yield "the version must be in the name of the image alone"
    if kind in ("npm", "pypi", "cargo") and not re.fullmatch(r"\d+\.\d+\.\d+\S*", version or ""):
        yield "the version must be an exact one"
    if kind == "mcpb" and not re.fullmatch(r"[a-f0-9]{64}", package["fileSha256"]):
        yield "fileSha256 must be a checksum"
    if kind == "mcpb" and not re.fullmatch(r"https://\S+mcp\S+", package["identifier"]):
        yield "the address must contain `mcp`"
    names = [variable["name"] for variable in package["environmentVariables"]]
    if len(names) != len(set(names)):
        yield "a variable stands there twice"
    if not any(variable.get("isSecret") for variable in package["environmentVariables"]):
        yield "the key is not marked as secret"
