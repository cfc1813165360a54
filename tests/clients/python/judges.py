"""Programs that judge MCP servers: scanners for attacks and for quality, conformance of a revision and of OAuth, and a fuzzer.

What they find must stand in ../judges.toml with a reason, and what stands there must be found.

usage: judges.py PROGRAM FOLDER NODE [RUNS]
"""

import json
import os
import subprocess
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from harness import PROGRAM, TOOLS, check, finish, folder, free_port, served

HERE = Path(__file__).parent.parent
NODE = sys.argv[3]
RUNS = sys.argv[4] if len(sys.argv) > 4 else "10"  # of the fuzzer, each tool
BIN = Path(sys.executable).parent
SANDBOX = ["--sandbox", "--ephemeral", "--fault", "rate_limit=0", "--upstream-rpm", "off"]
PATIENCE = 1800  # seconds for one judge

Finding = tuple[str, str]  # which judge, and what it finds

# Nothing is fetched and nothing is kept of whoever runs this.
HOME = folder("judges-home")
ENVIRONMENT = {**os.environ, "HOME": str(HOME), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_COLOR": "1"}


def run(scratch: Path, *command: str, expected: tuple[int, ...] = (0,)) -> str:
    """Runs a judge to its end and gives what it says; a judge that could not judge is an error."""
    path = str(BIN / command[0])
    ran = subprocess.run([path, *command[1:]], cwd=scratch, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    if ran.returncode not in expected:
        raise RuntimeError(f"{command[0]} ended with {ran.returncode}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.stdout


def listed(scratch: Path) -> dict[str, Path]:
    """What the server offers, as a file for each list."""
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "judges", "version": "1"}}
    lists = ["tools", "prompts", "resources"]
    messages = [
        {"id": 0, "method": "initialize", "params": client},
        {"method": "notifications/initialized"},
        *({"id": number, "method": f"{name}/list"} for number, name in enumerate(lists, 1)),
    ]
    said = "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages)
    answers = subprocess.run([PROGRAM, "stdio", *SANDBOX], input=said, capture_output=True, text=True, check=True).stdout
    results = {answer["id"]: answer["result"] for answer in map(json.loads, answers.splitlines())}
    for number, name in enumerate(lists, 1):
        (scratch / f"{name}.json").write_text(json.dumps(results[number]))
    return {name: scratch / f"{name}.json" for name in lists}


def scanner(scratch: Path) -> Iterator[Finding]:
    """Cisco's scanner for attacks in descriptions, with its rules alone: no model and no network."""
    files = listed(scratch)
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    said = run(scratch, "mcp-scanner", "--analyzers", "yara,schema", "--raw", "static", *options)
    judged = items(said)
    tools = [item for item in judged if item.get("item_type") == "tool"]
    check(f"mcp-scanner judges {TOOLS} tools", len(tools) == TOOLS, said)
    for item in judged:
        name = item.get("tool_name") or item.get("prompt_name") or item.get("resource_uri") or "?"
        if item.get("status") not in ("completed", "skipped"):
            yield "mcp-scanner", f"{name}: {item.get('status')}"
        for analyzer, found in item.get("findings", {}).items():
            if found["severity"] != "SAFE":
                yield "mcp-scanner", f"{name}: {analyzer} {found['severity']} {', '.join(found['threat_names'])}"


def items(said: str) -> list[dict[str, Any]]:
    """All objects in the lists that are printed one after the other."""
    decoder, found, at = json.JSONDecoder(), [], said.find("[")
    while at >= 0:
        some, end = decoder.raw_decode(said, at)
        found += some
        at = said.find("[", end)
    return found


def quality(scratch: Path) -> Iterator[Finding]:
    """How well an agent is told what each tool does: what of it needs no model."""
    command = " ".join([PROGRAM, "stdio", *SANDBOX])
    judged = json.loads(run(scratch, "tdqs", "lint", "--command", command, "--format", "json", "--fail-on", "never"))
    check(f"tdqs judges {TOOLS} tools", judged["server"]["toolCount"] == TOOLS, judged["server"])
    for found in [*judged["findings"], *judged["shadowCandidates"]]:
        yield "tdqs", json.dumps(found, sort_keys=True)
    for tool in judged["tools"]:
        for found in tool["findings"]:
            yield "tdqs", f"{tool['name']}: {found.get('id') or found.get('rule') or json.dumps(found, sort_keys=True)}"
        for flag in tool["flags"]:
            yield "tdqs", f"{tool['name']}: {flag}"


def conformance(scratch: Path) -> Iterator[Finding]:
    """Revision 2026-07-28 over HTTP, with calls whose arguments are wrong, of every tool."""
    with served(scratch, SANDBOX) as (url, headers):
        options = ["--strict", "--probe", "all", "--legacy-probes", "--json", "--header", f"Authorization: {headers['Authorization']}"]
        judged = json.loads(run(scratch, "jbt-mcpcheck", f"{url}/mcp", *options, expected=(0, 1)))
    check("jbt-mcpcheck makes its checks", len(judged["checks"]) >= 8, judged["checks"])
    for made in judged["checks"]:
        for found in [*made["failures"], *made["warnings"]]:
            yield "jbt-mcpcheck", f"{made['name']}: {found['code']} {found['subject']}"
        if made["status"] not in ("pass", "fail", "warn"):
            yield "jbt-mcpcheck", f"{made['name']}: {made['status']}"


def authorization(scratch: Path) -> Iterator[Finding]:
    """OAuth, with an authorization server of these tests: a login, a token for something else, tokens that are no tokens."""
    issuer = subprocess.Popen([NODE, HERE / "typescript" / "issuer.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        at, port = issuer.stdout.readline().strip(), free_port()
        url = f"http://127.0.0.1:{port}/mcp"
        options = ["--oauth-issuer", at, "--oauth-audience", url]
        with served(scratch, [*SANDBOX, *options], port=port):
            run(scratch, "mcp-authlab", "login", url, "--no-browser", "--scope", "numbers:read")
            judged = json.loads(run(scratch, "mcp-authlab", "scan", url, "--format", "json"))
    finally:
        issuer.stdin.close()
        issuer.wait()
    check("mcp-authlab makes all of its critical checks", judged["coverage"]["critical_not_run"] == [], judged["coverage"])
    for result in judged["results"]:
        if result["status"] in ("fail", "warn", "error"):
            yield "mcp-authlab", f"{result['id']}: {result['status']}"


def fuzzer_on_stdio(scratch: Path) -> Iterator[Finding]:
    yield from fuzzed(scratch, "stdio", " ".join([PROGRAM, "stdio", *SANDBOX]))


def fuzzer_over_http(scratch: Path) -> Iterator[Finding]:
    with served(scratch, SANDBOX) as (url, headers):
        token = headers["Authorization"].removeprefix("Bearer ")
        auth = scratch / "auth.json"
        auth.write_text(json.dumps({"providers": {"server": {"type": "api_key", "api_key": token}}, "default_provider": "server"}))
        yield from fuzzed(scratch, "streamablehttp", f"{url}/mcp", "--auth-config", str(auth))


def fuzzed(scratch: Path, protocol: str, endpoint: str, *further: str) -> Iterator[Finding]:
    """Tools and protocol with input that is right in form and input that is not."""
    schemas = {tool["name"]: tool["inputSchema"] for tool in json.loads(listed(scratch)["tools"].read_text())["tools"]}
    fixed = ["--mode", "all", "--phase", "both", "--seed", "7", "--no-corpus", "--fail-if-no-tools", "--no-network"]
    options = [*fixed, "--runs", RUNS, "--output-dir", str(scratch / "reports"), *further]
    said = run(scratch, "mcp-fuzzer", "--protocol", protocol, "--endpoint", endpoint, *options)
    check(f"mcp-fuzzer on {protocol} tries {TOOLS} tools", f"{TOOLS} tool(s) fuzzed" in said, said)
    for found in json.loads((scratch / "reports" / "findings.json").read_text())["findings"]:
        if not allowed(found, schemas):
            yield "mcp-fuzzer", f"{found['category']} {found['target']}"


def allowed(found: dict[str, Any], schemas: dict[str, dict[str, Any]]) -> bool:
    """Whether what it calls accepted was refused all the same, or was right by the tool's own schema."""
    if found["category"] != "accepted_malformed":
        return False
    given, result = found["evidence"]["input"], found["evidence"]["result"]
    # A long result stands there as text, cut off.
    text = result if isinstance(result, str) else json.dumps(result)
    if '"isError": true' in text or '"text": "Nothing ' in text:
        return True
    name, arguments = found["target"], given
    if found["target"] == "CallToolRequest":
        name, arguments = given.get("params", {}).get("name"), given.get("params", {}).get("arguments", {})
    schema = schemas.get(name)
    if schema is None:
        return False
    if not isinstance(arguments, dict) or not set(arguments) <= set(schema["properties"]):
        return False
    # An empty text stands for an argument that is left out.
    given = {name: value for name, value in arguments.items() if value != "" or name in schema["required"]}
    return Draft202012Validator(schema).is_valid(given)


def judge(title: str, findings: Callable[[Path], Iterator[Finding]]) -> set[Finding]:
    print(title, flush=True)
    started = time.monotonic()
    try:
        found = set(findings(folder(f"judges-{title}")))
        print(f"          {time.monotonic() - started:.0f} s", flush=True)
        return found
    except Exception:
        check("comes to its end", False, traceback.format_exc())
        return set()


def main() -> None:
    judges = [scanner, quality, conformance, authorization, fuzzer_on_stdio, fuzzer_over_http]
    found = set().union(*(judge(one.__name__, one) for one in judges))
    accepted = {(entry["judge"], entry["finding"]): entry["reason"] for entry in tomllib.loads((HERE / "judges.toml").read_text()).get("accepted", [])}
    print("findings", flush=True)
    for judge_name, finding in sorted(found):
        check(f"{judge_name}: {finding}: {accepted.get((judge_name, finding))}", (judge_name, finding) in accepted, "no reason is written")
    # What the fuzzer finds depends on how often it tries.
    gone = sorted(entry for entry in set(accepted) - found if not entry[0].startswith("mcp-fuzzer"))
    check("each reason that is written has its finding", gone == [], gone)


main()
finish()
