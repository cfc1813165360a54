"""The OAuth client of the Python SDK 1: registration, PKCE and step-up, against an authorization server of these tests.

It asks for exactly the scopes that a challenge names. It must end with every tool, able to buy and to release, and a person
must not have to log in more than twice.

usage: oauth.py PROGRAM FOLDER NODE
"""

import asyncio
import json
import subprocess
import sys
import traceback
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from harness import PURCHASE, RELEASE, STEPS, TOOLS, changes_in, check, finish, folder, free_port, right, served

NODE = sys.argv[3]
ISSUER = Path(__file__).parent.parent / "typescript" / "issuer.mjs"
CALLBACK = "http://127.0.0.1:9/callback"  # nobody listens: the redirection is read and not followed
UNASKED = [step for step in STEPS if "answer" not in step or step.get("also_without_asking")]
LOGINS = 2


class Storage:
    """Keeps what the client is given, for one run."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Follows the link to the login, which approves at once, and hands back what it answers."""

    def __init__(self) -> None:
        self.answer: tuple[str, str | None] = ("", None)

    async def follow(self, url: str) -> None:
        async with httpx.AsyncClient() as browser:
            answered = parse_qs(urlsplit((await browser.get(url)).headers["location"]).query)
        self.answer = answered["code"][0], answered.get("state", [None])[0]

    async def answered(self) -> tuple[str, str | None]:
        return self.answer


async def talk(url: str) -> None:
    """The conversation over a connection that the client opens for itself."""
    person = Person()
    metadata = OAuthClientMetadata(client_name="client", redirect_uris=[CALLBACK], token_endpoint_auth_method="none")
    auth = OAuthClientProvider(url, metadata, Storage(), person.follow, person.answered)
    async with (
        httpx.AsyncClient(auth=auth, timeout=30) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = (await session.list_tools()).tools
        check(f"sees {TOOLS} tools", len(tools) == TOOLS, [tool.name for tool in tools])
        for step in UNASKED:
            result = await session.call_tool(step["tool"], step["arguments"])
            shown = json.dumps(result.structuredContent, ensure_ascii=False)
            check(step["what"], right(step, shown) and result.isError == step.get("refused", False), result)


async def main() -> None:
    for how, options in [("without sessions", []), ("with sessions", ["--sessions"])]:
        title = f"Python SDK 1, OAuth, {how}"
        print(title, flush=True)
        scratch = folder(title)
        ledger, port = scratch / "ledger.jsonl", free_port()
        issuer = subprocess.Popen([NODE, ISSUER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        at = issuer.stdout.readline().strip()
        url = f"http://127.0.0.1:{port}/mcp"
        oauth = ["--oauth-issuer", at, "--oauth-audience", url]
        try:
            with served(scratch, ["--sandbox", "--ephemeral", "--ledger", str(ledger), *oauth, *options], port=port):
                await talk(url)
        except Exception:
            check("gets through the conversation", False, traceback.format_exc())
        logins = json.loads(urllib.request.urlopen(f"{at}/logins").read())
        check(f"logs in once, and never more than {LOGINS} times", 1 <= len(logins) <= LOGINS, logins)
        issuer.stdin.close()
        issuer.wait()
        changes = changes_in(ledger)
        check("Truedy saw one purchase and one release", changes == [PURCHASE, RELEASE], changes)


asyncio.run(main())
finish()
