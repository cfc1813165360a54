"""OpenAI Agents as it is set by itself, 5 s a call, and a purchase that Truedy carries out and never answers.

The model is told of an error and does what models do: it takes the next offer, and then the first one again. However often it
asks, one number is bought.

usage: hanging.py PROGRAM FOLDER
"""

import asyncio
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor

from agents import Agent, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from agents.testing import ScriptedModel, assistant_message, function_call

from harness import PROGRAM, PURCHASE, changes_in, check, facts, finish, folder, served

NUMBERS = ["+14155550100", "+14155550101", "+14155550100"]
ASKED = "Get us a number."


async def run(mcp: MCPServerStdio | MCPServerStreamableHttp) -> list[str]:
    """The purchases and then a look at what was done; gives what the model is shown of each."""
    calls = [("purchase_number", {"phone_number": number, "confirm": True}) for number in NUMBERS]
    calls.append(("list_operations", {}))
    steps = [[function_call(name, arguments, call_id=f"call-{i}")] for i, (name, arguments) in enumerate(calls)]
    model = ScriptedModel([*steps, [assistant_message("Done.")]])
    async with mcp:
        await Runner.run(Agent(name="a", model=model, mcp_servers=[mcp]), ASKED, max_turns=len(steps) + 1)
    outputs = [item["output"] for item in model.last_call.input if item.get("type") == "function_call_output"]
    return [output if isinstance(output, str) else output.get("text", "") if isinstance(output, dict) else output[0]["text"] for output in outputs]


async def play(how: str, retries: int) -> None:
    title = f"OpenAI Agents, a purchase that hangs, {how}, {retries} retries"
    print(title, flush=True)  # those that run at once are mixed below
    scratch = folder(title)
    ledger = scratch / "ledger.jsonl"
    options = ["--sandbox", "--state-dir", str(scratch / "state"), "--fault", "hang=purchase", "--ledger", str(ledger)]
    shown: list[str] = []
    try:
        if how == "stdio":
            shown = await run(MCPServerStdio({"command": PROGRAM, "args": ["stdio", *options]}, max_retry_attempts=retries))
        else:
            with served(scratch, options, trouble=True) as (url, headers):
                shown = await run(MCPServerStreamableHttp({"url": f"{url}/mcp", "headers": headers}, max_retry_attempts=retries))
    except Exception:
        check("comes to its end", False, traceback.format_exc())
    check("the model is told of each call", len(shown) == len(NUMBERS) + 1, shown)
    bought = [text for text in shown if facts(text).get("status") == "purchased"]
    check("it is never told that it has bought one", bought == [], shown)
    check("the next offer is refused, and the first call is named", len(shown) > 1 and facts(shown[1]).get("status") == "operation_unresolved", shown)
    operations = facts(shown[-1]).get("operations", []) if shown else []
    begun = [operation.get("number") for operation in operations if operation.get("state") != "refused"]
    check("it can see what was begun", begun == NUMBERS[:1], operations)
    changes = changes_in(ledger)
    check("Truedy saw one purchase", changes == [PURCHASE], changes)


set_tracing_disabled(True)
logging.disable(logging.CRITICAL)
CASES = [(how, retries) for how in ["stdio", "Streamable HTTP"] for retries in [0, 2]]
# Each on a thread of its own: the end of a server is waited for, which must not hold up another's client.
with ThreadPoolExecutor(len(CASES)) as threads:
    list(threads.map(lambda case: asyncio.run(play(*case)), CASES))
finish()
