"""The Python client of `mcp` 2: by `initialize`, and by `server/discover` with questions in a second call.

Holds the conversation of ../conversation.json and prints one line a check.

usage: sdk.py PROGRAM FOLDER [stdio|http|sse]
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.types import ElicitResult

from harness import PROGRAM, PURCHASE, RELEASE, STEPS, TOOLS, changes_in, check, finish, folder, served

TRANSPORT = sys.argv[3] if len(sys.argv) > 3 else "stdio"
NUMBER = "+14155550100"
CHANGES = [PURCHASE, RELEASE]

@dataclass
class Way:
    """How the server is reached. Without sessions it can ask nobody while a call of the older eras is open."""

    name: str
    options: tuple[str, ...] = ()
    asks: Callable[[str], bool] = lambda version: True


WAYS = {
    "stdio": [Way("stdio")],
    "http": [
        Way("Streamable HTTP", asks=lambda version: version >= "2026-07-28"),
        Way("Streamable HTTP with sessions", ("--sessions",)),
    ],
    "sse": [Way("SSE")],
}[TRANSPORT]


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
            NUMBER in message.replace(" ", "") and (wanted is None or fields == wanted) for message, fields in self.forms
        )


async def converse(mode: str, version: str, asks: bool, way: Way) -> None:
    """The whole conversation with one server; `asks` says whether the client carries questions to its user."""
    title = f"Python SDK 2, {version}, {way.name}, {'with' if asks else 'without'} elicitation"
    print(title, flush=True)
    scratch = folder(title)
    ledger = scratch / "ledger.jsonl"
    person = Person() if asks else None
    asked = asks and way.asks(version)
    options = ["--sandbox", "--ephemeral", "--ledger", str(ledger)]
    try:
        if TRANSPORT == "stdio":
            await talk(StdioServerParameters(command=PROGRAM, args=["stdio", *options]), mode, version, person, asked)
        else:
            with served(scratch, [*options, *way.options]) as (url, headers):
                await refused(url, mode)
                await talk(transport(url, headers), mode, version, person, asked)
        changes = changes_in(ledger)
        check("Truedy saw one purchase and one release", changes == CHANGES, changes)
    except Exception:
        check("gets through the conversation", False, traceback.format_exc())


def transport(url: str, headers: dict[str, str], statuses: list[int] | None = None):
    """The transport, which notes the status of each answer in `statuses`."""

    async def note(response) -> None:
        if statuses is not None:
            statuses.append(response.status_code)

    def http_client(headers=None, timeout=None, auth=None):
        client = create_mcp_http_client(headers=headers, timeout=timeout, auth=auth)
        client.event_hooks = {"request": [], "response": [note]}
        return client

    if TRANSPORT == "sse":
        return sse_client(f"{url}/sse", headers=headers, httpx_client_factory=http_client)
    return streamable_http_client(f"{url}/mcp", http_client=http_client(headers))


async def refused(url: str, mode: str) -> None:
    """Nobody comes in without a token."""
    statuses: list[int] = []
    try:
        async with Client(transport(url, {}, statuses), mode=mode) as client:
            await client.list_tools()
        let_in = True
    except Exception:  # a group of errors, too, of which some clients keep what it was
        let_in = False
    check("gets nowhere without the token", not let_in and set(statuses) == {401}, (let_in, statuses))


async def talk(server, mode: str, version: str, person: Person | None, asked: bool) -> None:
    """`asked` says whether questions reach the user."""
    async with Client(server, mode=mode, elicitation_callback=person.fill if person else None) as client:
        check("negotiates the version", client.protocol_version == version, client.protocol_version)
        tools = (await client.list_tools()).tools
        check(f"lists {TOOLS} tools", len(tools) == TOOLS, tools)
        for step in STEPS:
            if asked or "answer" not in step or step.get("also_without_asking"):
                unasked = {key: value for key, value in step.items() if key != "answer"}
                await take(step if asked else unasked, client, person)


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


async def main() -> None:
    for mode, version in [("legacy", "2025-11-25"), ("auto", "2026-07-28")]:
        for asks in [False, True]:
            for way in WAYS:
                await converse(mode, version, asks, way)


asyncio.run(main())
finish()
