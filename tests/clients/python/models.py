"""What a model sees and does through OpenAI Agents, Pydantic AI and FastMCP, on stdio and over HTTP, without any network.

A model that is played takes the steps of ../conversation.json that need nobody to ask. The schemas that the two frameworks
make of the catalogue for OpenAI's strict mode and for Gemini are held against what these take.

usage: models.py PROGRAM FOLDER
"""

import asyncio
import copy
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from agents import Agent as OpenAIAgent
from agents import Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from agents.testing import ScriptedModel, assistant_message, function_call
from fastmcp import Client
from fastmcp.client.transports import ClientTransport, StdioTransport, StreamableHttpTransport
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.profiles.google import GoogleJsonSchemaTransformer, GoogleOpenAPISchemaTransformer
from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer

from harness import PROGRAM, PURCHASE, RELEASE, STEPS, TOOLS, changes_in, check, finish, folder, right, served
from schemas import GEMINI_JSON_SCHEMA, arguments_of, not_for_gemini, not_strict

UNASKED = [step for step in STEPS if "answer" not in step or step.get("also_without_asking")]
ASKED = "Get us a number, and give it back."


@dataclass
class Server:
    """How the server is reached: by a command, or at an address with these headers."""

    options: list[str]
    url: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """What a model was shown: the result of each call, and of each tool its name and the schema of its arguments."""

    results: list[str]
    tools: dict[str, dict[str, Any]]


async def openai_agents(server: Server) -> Seen:
    if server.url:
        mcp = MCPServerStreamableHttp({"url": f"{server.url}/mcp", "headers": server.headers})
    else:
        mcp = MCPServerStdio({"command": PROGRAM, "args": server.options})
    calls = [[function_call(step["tool"], step["arguments"], call_id=f"call-{i}")] for i, step in enumerate(UNASKED)]
    model = ScriptedModel([*calls, [assistant_message("Done.")]])
    async with mcp:
        agent = OpenAIAgent(name="a", model=model, mcp_servers=[mcp], mcp_config={"convert_schemas_to_strict": True})
        await Runner.run(agent, ASKED, max_turns=len(UNASKED) + 1)
    tools = model.first_call.tools
    loose = [tool.name for tool in tools if not tool.strict_json_schema]
    check("its converter makes every tool strict", loose == [], loose)
    results = [item for item in model.last_call.input if item.get("type") == "function_call_output"]
    return Seen([text_in(item["output"]) for item in results], {tool.name: tool.params_json_schema for tool in tools})


def text_in(output: Any) -> str:
    """The text of a result of OpenAI Agents: alone, or in parts."""
    parts = output if isinstance(output, list) else [output]
    return "\n".join(part if isinstance(part, str) else part.get("text", "") for part in parts)


def fastmcp_transport(server: Server) -> ClientTransport:
    if server.url:
        return StreamableHttpTransport(f"{server.url}/mcp", headers=server.headers)
    return StdioTransport(PROGRAM, server.options, keep_alive=False)


async def pydantic_ai(server: Server) -> Seen:
    seen = Seen([], {})

    def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        parts = [part for message in messages for part in message.parts]
        results = [part for part in parts if isinstance(part, ToolReturnPart | RetryPromptPart)]
        seen.results = [pydantic_text(part) for part in results]
        seen.tools = {tool.name: tool.parameters_json_schema for tool in info.function_tools}
        if len(results) == len(UNASKED):
            return ModelResponse(parts=[TextPart("Done.")])
        step = UNASKED[len(results)]
        return ModelResponse(parts=[ToolCallPart(step["tool"], step["arguments"])])

    async with PydanticAgent(FunctionModel(respond), toolsets=[MCPToolset(fastmcp_transport(server))]) as agent:
        await agent.run(ASKED)
    return seen


def pydantic_text(part: ToolReturnPart | RetryPromptPart) -> str:
    """The text of a result of Pydantic AI; an error comes as text in either kind."""
    if isinstance(part, RetryPromptPart):
        return part.model_response()
    return part.content if isinstance(part.content, str) else part.model_response_str()


async def fastmcp(server: Server) -> Seen:
    async with Client(fastmcp_transport(server)) as client:
        tools = {tool.name: tool.input_schema for tool in await client.list_tools()}
        results = []
        for step in UNASKED:
            result = await client.call_tool(step["tool"], step["arguments"], raise_on_error=False)
            check(f"{step['what']}: an error or none", result.is_error == step.get("refused", False), result)
            results.append(result.content[0].text)
    return Seen(results, tools)


def check_seen(seen: Seen) -> None:
    check(f"sees {TOOLS} tools", len(seen.tools) == TOOLS, list(seen.tools))
    check("makes every call", len(seen.results) == len(UNASKED), seen.results)
    for step, shown in zip(UNASKED, seen.results, strict=False):
        check(step["what"], right(step, shown), shown)


async def converse(name: str, run: Callable[[Server], Awaitable[Seen]]) -> dict[str, dict[str, Any]]:
    """The conversation on stdio and over HTTP; gives the tools as a model sees them."""
    tools: dict[str, dict[str, Any]] = {}
    for way, options in [("stdio", None), ("Streamable HTTP", []), ("Streamable HTTP with sessions", ["--sessions"])]:
        title = f"{name}, {way}"
        print(title, flush=True)
        scratch = folder(title)
        ledger = scratch / "ledger.jsonl"
        sandbox = ["--sandbox", "--ephemeral", "--ledger", str(ledger)]
        try:
            if options is None:
                seen = await run(Server(["stdio", *sandbox]))
            else:
                with served(scratch, [*sandbox, *options]) as (url, headers):
                    await refused(run, url)
                    seen = await run(Server([], url, headers))
            check_seen(seen)
            tools = seen.tools
        except Exception:
            check("gets through the conversation", False, traceback.format_exc())
        changes = changes_in(ledger)
        check("Truedy saw one purchase and one release", changes == [PURCHASE, RELEASE], changes)
    return tools


async def refused(run: Callable[[Server], Awaitable[Seen]], url: str) -> None:
    """Nobody comes in without a token."""
    try:
        await run(Server([], url))
        let_in = True
    except Exception:
        let_in = False
    check("gets nowhere without the token", not let_in, let_in)


def check_schemas(what: str, convert: Callable[[dict[str, Any]], dict[str, Any]], faults: Callable[[Any], list[str]], tools: Any) -> None:
    """That a converter takes every tool of the catalogue, keeps its arguments, and gives what the vendor takes."""
    print(what, flush=True)
    for name, schema in tools.items():
        try:
            made = convert(copy.deepcopy(schema))
            wrong = faults(made)
            check(f"{name}", wrong == [] and arguments_of(made) == arguments_of(schema), (wrong, made))
        except Exception:
            check(f"{name}", False, traceback.format_exc())


async def main() -> None:
    strict = await converse("OpenAI Agents", openai_agents)
    check_schemas("OpenAI Agents, strict schemas", lambda schema: schema, not_strict, strict)
    await converse("Pydantic AI", pydantic_ai)
    tools = await converse("FastMCP", fastmcp)
    strictly = lambda schema: OpenAIJsonSchemaTransformer(schema, strict=True).walk()  # noqa: E731
    check_schemas("Pydantic AI, schemas for OpenAI's strict mode", strictly, not_strict, tools)
    gemini = lambda schema: GoogleJsonSchemaTransformer(schema).walk()  # noqa: E731
    check_schemas("Pydantic AI, schemas for Gemini", gemini, lambda made: not_for_gemini(made, GEMINI_JSON_SCHEMA), tools)
    live = lambda schema: GoogleOpenAPISchemaTransformer(schema).walk()  # noqa: E731
    check_schemas("Pydantic AI, schemas for Gemini's live models", live, not_for_gemini, tools)


set_tracing_disabled(True)
# What the server says of a refusal is checked, and need not stand in the output too.
logging.disable(logging.CRITICAL)
asyncio.run(main())
finish()
