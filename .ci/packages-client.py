"""Tries a program as a client would: `packages-client.py program COMMAND…` and `packages-client.py bundle FOLDER`.

`program` is a command that starts truedy-mcp. `bundle` is an unpacked .mcpb, whose manifest says how it is started.
Each check says `ok: …` or `FAILED: …`. The program gets the variables of whoever calls this, and nothing else.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

# How long a command may take, in seconds. The first one may have to fetch the package.
PATIENCE = 120


class Session:
    """One MCP session over stdio."""

    def __init__(self, command, more):
        self.started = time.monotonic()
        self.program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | more
        )
        self.deadline = threading.Timer(PATIENCE, self.program.kill)
        self.deadline.daemon = True
        self.deadline.start()
        self.last = 0

    def ask(self, method, **params):
        """Sends a request and returns its result. Every line on stdout must be a message of the protocol."""
        self.last += 1
        self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        for line in self.program.stdout:
            message = json.loads(line)
            if message.get("id") == self.last:
                return message["result"]
        raise AssertionError(f"{method} was not answered: {self.program.stderr.read().strip()}")

    def send(self, message):
        self.program.stdin.write(json.dumps(message) + "\n")
        self.program.stdin.flush()

    def open(self):
        """The handshake. Returns the seconds from the start to the answer."""
        client = {"name": "packages", "version": "1"}
        answer = self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
        seconds = time.monotonic() - self.started
        assert answer["serverInfo"]["name"] == "truedy-mcp", answer
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return seconds

    def tools(self):
        return [tool["name"] for tool in self.ask("tools/list")["tools"]]

    def call(self, tool, **arguments):
        result = self.ask("tools/call", name=tool, arguments=arguments)
        return result.get("structuredContent") or json.loads(result["content"][0]["text"])

    def close(self):
        """Ends the input, after which the program must end by itself and without complaint."""
        self.program.stdin.close()
        rest = self.program.stdout.read()
        status = self.program.wait()
        self.deadline.cancel()
        assert status == 0 and not rest, f"it ended with {status}: {rest} {self.program.stderr.read()}"


def check(title, body):
    """Runs one check and says how it went."""
    try:
        said = body()
        print(f"ok: {title}{f' ({said})' if said else ''}", flush=True)
    except Exception as why:
        print(f"FAILED: {title}: {type(why).__name__}: {why}", flush=True)


def version(command):
    ran = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert ran.stdout.startswith("truedy-mcp "), ran.stdout
    return ran.stdout.split("\n")[0]


def tour(command):
    ran = subprocess.run([*command, "tour"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout) > 500, ran.stdout


def conversation(command, more, expected):
    """Handshake, tools, one call, end of input. `expected` is the status of the call."""
    session = Session(command, more)
    seconds = session.open()
    tools = session.tools()
    assert "list_numbers" in tools, tools
    answer = session.call("list_numbers")
    assert answer["status"] == expected, answer
    if expected == "ok":
        assert answer["numbers"], answer
    session.close()
    return f"first answer after {seconds:.2f} s, {len(tools)} tools"


def program(name, command):
    sandbox = [*command, "stdio", "--sandbox"]
    check(f"{name}: handshake, call on the sandbox, end of input", lambda: conversation(sandbox, {}, "ok"))
    check(f"{name}: version", lambda: version(command))
    check(f"{name}: tour", lambda: tour(command))


def filled_in(manifest, folder, given):
    """Command and variables as Claude Desktop makes them: defaults first, then what the user filled in."""
    defaults = {key: field["default"] for key, field in manifest["user_config"].items() if "default" in field}
    texts = {"__dirname": str(folder)}
    for key, value in (defaults | given).items():
        texts[f"user_config.{key}"] = str(value).lower() if isinstance(value, bool) else value

    def fill(text):
        for key, value in texts.items():
            text = text.replace(f"${{{key}}}", value)
        return text

    config = manifest["server"]["mcp_config"]
    return [fill(word) for word in [config["command"], *config["args"]]], {key: fill(text) for key, text in config["env"].items()}


def bundle(folder):
    manifest = json.loads((folder / "manifest.json").read_text())

    def started(given, expected):
        command, more = filled_in(manifest, folder, given)
        return conversation(command, more, expected)

    def blank():
        # A client that knows no defaults passes an empty text, or the placeholder itself.
        for given in ({}, {"api_key": ""}, {"api_key": "${user_config.api_key}"}):
            started(given, "auth_failed")

    fields = {"api_key": "truedy_" + "0" * 32, "sandbox": True}
    command, _ = filled_in(manifest, folder, {})
    check(".mcpb: all fields blank: it starts, and a call says that the key is missing", blank)
    check(".mcpb: with the sandbox alone", lambda: started({"sandbox": True}, "ok"))
    check(".mcpb: with a key and the sandbox", lambda: started(fields, "ok"))
    check(".mcpb: read only offers fewer tools", lambda: fewer(started(fields | {"read_only": True}, "ok"), started(fields, "ok")))
    check(".mcpb: version", lambda: version(command[:1]))
    check(".mcpb: tour", lambda: tour(command[:1]))


def fewer(said, before):
    count = lambda text: int(text.split(", ")[-1].split(" ")[0])
    assert 0 < count(said) < count(before), f"{said}, and before {before}"
    return said


def main():
    kind, *words = sys.argv[1:]
    if kind == "bundle":
        bundle(Path(words[0]).resolve())
    else:
        program(words[0], words[1:])


if __name__ == "__main__":
    main()
