"""What all Python clients share: a server that is started for one check, the sandbox's ledger, and the count of checks."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM, SCRATCH = sys.argv[1], Path(sys.argv[2])
STEPS = json.loads((Path(__file__).parent.parent / "conversation.json").read_text())
TOOLS: int = json.loads((Path(__file__).parent.parent / "expected.json").read_text())["tools"]
PURCHASE = "POST /api/public/v1/telephony/numbers/purchase"
RELEASE = "DELETE /api/public/v1/telephony/numbers/<id>"

PATIENCE = 30  # seconds for a server to start and to end

outcomes: list[bool] = []


def check(what: str, holds: bool, seen: object) -> None:
    """Notes one check; `seen` is printed where it does not hold."""
    outcomes.append(holds)
    print(f"  ok      {what}" if holds else f"  FAILED  {what}\n          {seen}", flush=True)


def finish() -> None:
    """Prints the count and ends; the process fails if a check did, or if there was none."""
    print(f"{outcomes.count(True)} passed, {outcomes.count(False)} failed")
    sys.exit(0 if outcomes and all(outcomes) else 1)


def folder(title: str) -> Path:
    """An empty folder of this name."""
    path = SCRATCH / re.sub("[^A-Za-z0-9.]+", "-", title)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def changes_in(ledger: Path) -> list[str]:
    """What changed something upstream, in order; where nothing was ever asked there is no ledger."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    entries = [json.loads(line) for line in lines]
    return [
        f"{entry['method']} {re.sub('[0-9a-f-]{36}$', '<id>', entry['path'])}"
        for entry in entries
        if entry.get("method", "GET") != "GET" and not entry["path"].endswith("/search")
    ]


def facts(shown: str) -> dict[str, Any]:
    """The facts of a result as the model is shown it: a sentence and then JSON, or the JSON alone."""
    start = shown.find("{")
    try:
        return json.JSONDecoder().raw_decode(shown[start:])[0] if start >= 0 else {}
    except json.JSONDecodeError:
        return {}


def right(step: dict[str, Any], shown: str) -> bool:
    """Whether what the model is shown is what the step says."""
    answer = facts(shown)
    return (
        answer.get("status") == step["status"]
        and step.get("shows", "") in shown
        and ("lacks" not in step or step["lacks"] not in shown)
        and ("field" not in step or step["field"] in [problem["field"] for problem in answer["problems"]])
    )


@contextmanager
def served(scratch: Path, options: list[str], *, port: int = 0, trouble: bool = False) -> Iterator[tuple[str, dict[str, str]]]:
    """A server that is started for this and must end as it should, and the header that opens its door.

    It listens on this port, or on any that is free; `trouble` says that it has reason to warn.
    """
    tokens, log = scratch / "tokens.toml", scratch / "server.log"
    new = [PROGRAM, "token", "new", "--tokens", str(tokens), "--principal", "client"]
    token = subprocess.run(new, capture_output=True, text=True, check=True).stdout.strip()
    fixed = ["http", "--listen", f"127.0.0.1:{port}", "--tokens", str(tokens), "--drain-seconds", "0", "--log-format", "json"]
    with log.open("w") as file:
        server = subprocess.Popen([PROGRAM, *fixed, *options], stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield address(server, log), {"Authorization": f"Bearer {token}"}
    finally:
        server.terminate()
        try:
            ended = server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            ended = "late"
        said = log.read_text()
        check("the server ends in order", ended == 0, (ended, said))
        quiet = trouble or not re.search('"(WARN|ERROR)"', said)
        check("and logged neither trouble nor the token", quiet and token not in said, said)


def free_port() -> int:
    """A port that is free, for a server whose address must be known before it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def address(server: subprocess.Popen, log: Path) -> str:
    """Where the server says that it is reached."""
    for _ in range(PATIENCE * 20):
        found = re.search(r"listening on (\S+)/mcp\n", log.read_text())
        if found:
            return found[1]
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {log.read_text()}")
