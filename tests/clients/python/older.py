"""LangChain through `mcp` 1, on stdio and over HTTP, without any network: as it does by itself, and with a session kept open.

By itself it opens a connection a call, which on stdio is a process a call. What a model is shown is held against
../conversation.json, and the schemas that it makes for OpenAI's strict mode and for Gemini against what these take.

usage: older.py PROGRAM FOLDER
"""

import asyncio
import traceback
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_google_genai._function_utils import convert_to_genai_function_declarations
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

from harness import PROGRAM, PURCHASE, RELEASE, STEPS, TOOLS, changes_in, check, facts, finish, folder, right, served
from schemas import arguments_of, not_for_gemini, not_strict

UNASKED = [step for step in STEPS if "answer" not in step or step.get("also_without_asking")]
NUMBER = "+14155550100"


async def call(tools: list[BaseTool], name: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """Calls a tool as an agent does; gives the status of its message and the text that the model is shown."""
    tool = next(tool for tool in tools if tool.name == name)
    message = await tool.ainvoke({"type": "tool_call", "id": "call", "name": name, "args": arguments})
    assert isinstance(message, ToolMessage)
    return message.status, message.text


async def talk(tools: list[BaseTool]) -> None:
    check(f"sees {TOOLS} tools", len(tools) == TOOLS, tools)
    for step in UNASKED:
        status, shown = await call(tools, step["tool"], step["arguments"])
        expected = "error" if step.get("refused") else "success"
        check(step["what"], status == expected and right(step, shown), (status, shown))


async def converse(connection: dict[str, Any], *, kept: bool) -> list[BaseTool]:
    client = MultiServerMCPClient({"truedy": connection})
    if not kept:
        tools = await client.get_tools()
        await talk(tools)
        return tools
    async with client.session("truedy") as session:
        tools = await load_mcp_tools(session)
        await talk(tools)
    return tools


async def on_stdio(*, kept: bool) -> list[BaseTool]:
    title = f"LangChain, stdio, {'one process' if kept else 'a process a call'}"
    print(title, flush=True)
    scratch = folder(title)
    ledger = scratch / "ledger.jsonl"
    state = ["--ephemeral"] if kept else ["--state-dir", str(scratch / "state")]
    options = ["stdio", "--sandbox", *state, "--ledger", str(ledger)]
    tools: list[BaseTool] = []
    try:
        tools = await converse({"transport": "stdio", "command": PROGRAM, "args": options}, kept=kept)
    except Exception:
        check("gets through the conversation", False, traceback.format_exc())
    changes = changes_in(ledger)
    check("Truedy saw one purchase and one release", changes == [PURCHASE, RELEASE], changes)
    return tools


async def over_http(how: str, options: list[str], *, kept: bool) -> None:
    title = f"LangChain, Streamable HTTP, {how}"
    print(title, flush=True)
    scratch = folder(title)
    ledger = scratch / "ledger.jsonl"
    with served(scratch, ["--sandbox", "--ephemeral", "--ledger", str(ledger), *options]) as (url, headers):
        connection = {"transport": "streamable_http", "url": f"{url}/mcp"}
        try:
            await MultiServerMCPClient({"truedy": connection}).get_tools()
            let_in = True
        except BaseException as error:
            let_in = isinstance(error, KeyboardInterrupt | SystemExit)
        check("gets nowhere without the token", not let_in, let_in)
        try:
            await converse({**connection, "headers": headers}, kept=kept)
        except Exception:
            check("gets through the conversation", False, traceback.format_exc())
    changes = changes_in(ledger)
    check("Truedy saw one purchase and one release", changes == [PURCHASE, RELEASE], changes)


async def with_tokens() -> None:
    """Where a purchase needs a token of an earlier call, and each call is a process of its own."""
    title = "LangChain, stdio, a process a call, gate token"
    print(title, flush=True)
    scratch = folder(title)
    ledger = scratch / "ledger.jsonl"
    options = ["stdio", "--sandbox", "--state-dir", str(scratch / "state"), "--gate", "token", "--ledger", str(ledger)]
    client = MultiServerMCPClient({"truedy": {"transport": "stdio", "command": PROGRAM, "args": options}})
    try:
        tools = await client.get_tools()
        for what, name, arguments, done in [
            ("buys", "purchase_number", {"phone_number": NUMBER}, "purchased"),
            ("releases", "release_number", {"number_id": NUMBER}, "released"),
        ]:
            status, shown = await call(tools, name, {**arguments, "confirm": True})
            preview = facts(shown)
            shows = status == "success" and preview.get("status") == "confirmation_required"
            check(f"{name}: a preview first, and no error", shows, (status, shown))
            # What a later process is told must be what this one sealed.
            status, shown = await call(tools, name, preview.get("next", {}).get("arguments", arguments))
            check(f"and the call in next {what}", facts(shown).get("status") == done, (status, shown))
            _, again = await call(tools, name, preview.get("next", {}).get("arguments", arguments))
            check("a token counts once", facts(again).get("status") != done, again)
    except Exception:
        check("gets through", False, traceback.format_exc())
    changes = changes_in(ledger)
    check("Truedy saw one purchase and one release", changes == [PURCHASE, RELEASE], changes)


def check_schemas(tools: list[BaseTool]) -> None:
    """What its converters make of each tool."""
    print("LangChain, schemas for OpenAI's strict mode and for Gemini", flush=True)
    for tool in tools:
        try:
            made = convert_to_openai_tool(tool, strict=True)["function"]["parameters"]
            wrong = not_strict(made)
            check(f"{tool.name}, strict", wrong == [] and arguments_of(made) == arguments_of(tool.args_schema), (wrong, made))
            [converted] = convert_to_genai_function_declarations([tool])
            [declared] = converted.function_declarations
            given = declared.parameters.model_dump(exclude_none=True) if declared.parameters else {}
            wrong = not_for_gemini(in_words(given))
            check(f"{tool.name}, Gemini", wrong == [] and arguments_of(given) == arguments_of(tool.args_schema), (wrong, given))
        except Exception:
            check(f"{tool.name}", False, traceback.format_exc())


def in_words(schema: Any) -> Any:
    """The same with the names that the wire has."""
    if isinstance(schema, list):
        return [in_words(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    names = {"any_of": "anyOf", "max_items": "maxItems", "min_items": "minItems", "property_ordering": "propertyOrdering"}
    return {names.get(key, key): in_words(value) for key, value in schema.items()}


async def main() -> None:
    tools = await on_stdio(kept=True)
    await on_stdio(kept=False)
    for kept in [False, True]:
        how = "a session kept" if kept else "a session a call"
        await over_http(how, [], kept=kept)
        await over_http(f"{how}, with --sessions", ["--sessions"], kept=kept)
    await with_tokens()
    check_schemas(tools)


asyncio.run(main())
finish()
