"""The Python client of `mcp` 2: by `initialize`, and by `server/discover` with questions in a second call.

Holds the conversation of ../conversation.json and prints one line a check.
"""

import asyncio
import json
import re
import shutil
import sys
import traceback
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp.types import ElicitResult

PROGRAM, SCRATCH = sys.argv[1], Path(sys.argv[2])
STEPS = json.loads((Path(__file__).parent.parent / "conversation.json").read_text())
NUMBER = "+14155550100"
TOOLS = 12
CHANGES = ["POST /api/public/v1/telephony/numbers/purchase", "DELETE /api/public/v1/telephony/numbers/<id>"]

outcomes: list[bool] = []


def check(what: str, holds: bool, seen: object) -> None:
    """Notes one check; `seen` is printed where it does not hold."""
    outcomes.append(holds)
    print(f"  ok      {what}" if holds else f"  FAILED  {what}\n          {seen}", flush=True)


class Person:
    """The user: answers each form as the step says, and remembers the forms."""

    def __init__(self) -> None:
        self.forms: list[tuple[str, list[str]]] = []
        self.answer: dict | str | None = None

    async def fill(self, _context, params) -> ElicitResult:
        self.forms.append((params.message, sorted(params.requested_schema["properties"])))
        if self.answer == "decline":
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content=self.answer)

    def was_asked(self, times: int) -> bool:
        """Whether there were so many forms, and they named the number and wanted what the answer has."""
        wanted = sorted(self.answer) if isinstance(self.answer, dict) else None
        return len(self.forms) == times and all(
            NUMBER in message and (wanted is None or fields == wanted) for message, fields in self.forms
        )


async def converse(mode: str, version: str, asks: bool) -> None:
    """The whole conversation with one server; `asks` says whether the client carries questions to its user."""
    title = f"Python SDK 2, {version}, {'with' if asks else 'without'} elicitation"
    print(title, flush=True)
    scratch = SCRATCH / re.sub("[^A-Za-z0-9.]+", "-", title)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    ledger = scratch / "ledger.jsonl"
    person = Person() if asks else None
    server = StdioServerParameters(command=PROGRAM, args=["stdio", "--sandbox", "--ephemeral", "--ledger", str(ledger)])
    try:
        async with Client(server, mode=mode, elicitation_callback=person.fill if person else None) as client:
            check("negotiates the version", client.protocol_version == version, client.protocol_version)
            tools = (await client.list_tools()).tools
            check(f"lists {TOOLS} tools", len(tools) == TOOLS, tools)
            for step in STEPS:
                if asks or "answer" not in step or step.get("also_without_asking"):
                    await take(step, client, person)
        changes = changes_in(ledger)
        check("Truedy saw one purchase and one release", changes == CHANGES, changes)
    except Exception:
        check("gets through the conversation", False, traceback.format_exc())


async def take(step: dict, client: Client, person: Person | None) -> None:
    if person:
        person.answer, person.forms = step.get("answer"), []
    result = await client.call_tool(step["tool"], step["arguments"])
    answer = result.structured_content or {}
    text = result.content[0].text
    shown = json.dumps(answer, ensure_ascii=False)
    answered = (
        bool(result.is_error) == step.get("refused", False)
        and answer.get("status") == step["status"]
        and text.startswith(answer["summary"])
        and ("shows" not in step or (step["shows"] in shown and step["shows"] in text))
        and ("lacks" not in step or step["lacks"] not in shown + text)
        and ("field" not in step or step["field"] in [problem["field"] for problem in answer["problems"]])
    )
    asked = person is None or person.was_asked(1 if "answer" in step else 0)
    check(step["what"], answered and asked, (result, person and person.forms))


def changes_in(ledger: Path) -> list[str]:
    """What changed something upstream, in order."""
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    return [
        f"{entry['method']} {re.sub('[0-9a-f-]{36}$', '<id>', entry['path'])}"
        for entry in entries
        if entry.get("method", "GET") != "GET" and not entry["path"].endswith("/search")
    ]


async def main() -> None:
    for mode, version in [("legacy", "2025-11-25"), ("auto", "2026-07-28")]:
        for asks in [False, True]:
            await converse(mode, version, asks)


asyncio.run(main())
print(f"{outcomes.count(True)} passed, {outcomes.count(False)} failed")
sys.exit(0 if outcomes and all(outcomes) else 1)
