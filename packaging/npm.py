"""Packages for npm: one with the program for each machine, and one that everybody names and that starts the right one."""

import files
from archive import licences
from facts import HERE


def make(facts, out, level):
    """Writes the tarballs as `npm publish FILE` takes them. Nothing runs at installation: there is no script in them."""
    name = facts.published_as("npm")
    built = facts.built()
    for target, program in built:
        system, cpu = target.npm.split("-")
        about = f"The program for {system} on {cpu}. Install {name} instead."
        package = described(facts, f"{name}-{target.npm}", about) | {"os": [system], "cpu": [cpu], "preferUnplugged": True}
        write(out, level, package, [files.Entry(f"bin/{target.binary}", program.read_bytes(), True), files.text("README.md", about + "\n")])
    wrapper = described(facts, name, facts.description) | {
        "keywords": facts.keywords,
        # By this the registry of MCP servers sees that both have one owner.
        "mcpName": facts.published.get("mcp_registry") or None,
        "bin": {facts.name: "truedy-mcp.js"},
        "engines": {"node": ">=18"},
        # npm installs the one whose `os` and `cpu` are this machine's, and is content if there is none.
        "optionalDependencies": {f"{name}-{target.npm}": facts.version for target, _ in built},
    }
    start = files.Entry("truedy-mcp.js", (HERE / "npm/truedy-mcp.js").read_bytes(), True)
    write(out, level, {key: value for key, value in wrapper.items() if value}, [start, files.text("README.md", readme(facts, name))])


def described(facts, name, description):
    package = {
        "name": name,
        "version": facts.version,
        "description": description,
        "license": facts.licence,
        "homepage": facts.project["homepage"],
        "repository": {"type": "git", "url": f"git+{facts.project['repository']}.git"},
        "publishConfig": {"access": "public"},
    }
    # npm refuses to publish what is private.
    return package | ({"private": True} if facts.is_example else {})


def write(out, level, package, entries):
    inside = [files.as_json("package.json", package), *entries, *licences("")]
    entries = [files.Entry(f"package/{entry.path}", entry.content, entry.is_program) for entry in inside]
    file = f"{package['name'].lstrip('@').replace('/', '-')}-{package['version']}.tgz"
    files.tar_gz(out / file, entries, level)


def readme(facts, name):
    return (
        f"# {facts.title}\n\n{facts.description}. An MCP server.\n\n"
        f"```sh\nnpx -y {name} tour                            # a whole conversation on made-up numbers, without an account\n"
        f"claude mcp add truedy -- npx -y {name}@{facts.version} stdio --sandbox\n```\n\n"
        f"Everything else: <{facts.project['homepage']}>\n"
    )
