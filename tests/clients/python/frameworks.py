"""Frameworks that run a model in a loop: Microsoft's Agent Framework and Pydantic AI, with a played model and no network.

Both hide errors of tools from the model or end the run after some. Previews must reach the model all the same, two in a row
must not end the run, and the call that the second points to must buy.

usage: frameworks.py PROGRAM FOLDER
"""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from agent_framework import Agent, BaseChatClient, ChatResponse, Content, FunctionInvocationLayer, MCPStdioTool, Message
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from harness import PROGRAM, PURCHASE, changes_in, check, facts, finish, folder

TOOL = "purchase_number"
NUMBERS = ["+14155550100", "+14155550101"]
BOUGHT = [PURCHASE]


class PlayedModel:
    """Asks for two purchases without the word, then makes the call that the last preview points to, then ends."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def next_call(self, results: list[str]) -> dict[str, Any] | None:
        """The arguments of the next purchase; `None` at the end. `results` is what the model was shown so far."""
        self.shown = results
        if len(results) < len(NUMBERS):
            return {"phone_number": NUMBERS[len(results)]}
        if len(results) == len(NUMBERS):
            return facts(results[-1]).get("next", {}).get("arguments", {"phone_number": "no call to make"})
        return None


class PlayedChatClient(FunctionInvocationLayer, BaseChatClient):
    """A chat client of the Agent Framework that asks the played model."""

    def __init__(self, model: PlayedModel) -> None:
        super().__init__()
        self.model = model

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **_: Any) -> Awaitable[ChatResponse]:
        assert not stream
        contents = [content for message in messages for content in message.contents]
        results = [content for content in contents if content.type == "function_result"]

        async def respond() -> ChatResponse:
            call = self.model.next_call([str(content.result) for content in results])
            if call is None:
                return ChatResponse(messages=[Message(role="assistant", contents=["Done."])])
            asked = Content.from_function_call(call_id=f"call-{len(results)}", name=TOOL, arguments=json.dumps(call))
            return ChatResponse(messages=[Message(role="assistant", contents=[asked])])

        return respond()


async def agent_framework(model: PlayedModel, arguments: list[str]) -> str:
    async with MCPStdioTool(name="truedy", command=PROGRAM, args=arguments, load_prompts=False) as tool:
        client = PlayedChatClient(model)
        # Two errors in a row would end the run here.
        client.function_invocation_configuration["max_consecutive_errors_per_request"] = 1
        return (await Agent(client=client, tools=tool).run("Buy a number.")).text


async def pydantic_ai(model: PlayedModel, arguments: list[str]) -> str:
    def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        parts = [part for message in messages for part in message.parts]
        # An error would come as a request to try again, which is no return of the tool.
        results = [part.model_response_str() for part in parts if isinstance(part, ToolReturnPart)]
        call = model.next_call(results)
        return ModelResponse(parts=[TextPart("Done.") if call is None else ToolCallPart(TOOL, call)])

    toolset = MCPToolset(StdioTransport(PROGRAM, arguments))
    async with PydanticAgent(FunctionModel(respond), toolsets=[toolset]) as agent:
        return (await agent.run("Buy a number.")).output


async def play(name: str, run: Callable[[PlayedModel, list[str]], Awaitable[str]]) -> None:
    print(name, flush=True)
    scratch = folder(name)
    ledger, model = scratch / "ledger.jsonl", PlayedModel()
    try:
        said = await run(model, ["stdio", "--sandbox", "--ephemeral", "--ledger", str(ledger)])
        check("comes to its end", said == "Done.", said)
    except Exception:
        check("comes to its end", False, traceback.format_exc())
    previews, last = [facts(shown) for shown in model.shown[: len(NUMBERS)]], facts(model.shown[-1] if model.shown else "")
    right = [preview.get("status") == "confirmation_required" and "monthly" in preview for preview in previews]
    check("two previews in a row reach the model, with the price", right == [True, True], model.shown)
    begins = [preview.get("summary", "").startswith("Nothing was bought") for preview in previews]
    check("each begins with what did not happen", begins == [True, True], previews)
    bought = last.get("status") == "purchased" and last.get("number") == NUMBERS[-1]
    check("the call in next buys, and the model is told so", bought, model.shown[-1:])
    changes = changes_in(ledger)
    check("Truedy saw one purchase", changes == BOUGHT, changes)


async def main() -> None:
    await play("Agent Framework", agent_framework)
    await play("Pydantic AI", pydantic_ai)


asyncio.run(main())
finish()
