// mcp-remote, the bridge for clients that know only stdio, as the snippet for Claude Desktop starts it: a client of the
// official SDK holds the conversation through it. It speaks the older era with the client, and either with the server.

import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { INFO, converse, finish } from "./conversation.mjs";
import { printed } from "./home.mjs";

const [PROGRAM, SCRATCH] = process.argv.slice(2);
const BRIDGE = fileURLToPath(new URL("node_modules/mcp-remote/dist/proxy.js", import.meta.url));

/** How the snippet starts the bridge, with the header's value filled in; without one there is no header. */
function bridgeTo({ url, headers }, further) {
  const { args, env } = JSON.parse(printed(PROGRAM, "claude-desktop", "--http", "--url", url.href)).mcpServers.truedy;
  const after = args.slice(args.indexOf("mcp-remote") + 1);
  const given = headers.Authorization ? after : after.slice(0, after.indexOf("--header"));
  const variables = Object.fromEntries(Object.keys(env).map((name) => [name, headers.Authorization ?? ""]));
  return {
    command: process.execPath,
    args: [BRIDGE, ...given, ...further],
    // What it keeps is of this run, and no browser is there to open.
    env: { PATH: process.env.PATH, HOME: SCRATCH, MCP_REMOTE_CONFIG_DIR: `${SCRATCH}/mcp-remote`, BROWSER: "true", ...variables },
    stderr: "pipe",
  };
}

function connect(further) {
  return async (server, person) => {
    const client = new Client(INFO, { capabilities: person ? { elicitation: { form: {} } } : {}, versionNegotiation: { mode: "legacy" } });
    if (person) client.setRequestHandler("elicitation/create", ({ params }) => person.fill(params));
    const transport = new StdioClientTransport(bridgeTo(server, further));
    let said = "";
    transport.stderr.on("data", (chunk) => (said += chunk));
    // Its own words are what says why it gives up.
    await client.connect(transport).catch((error) => {
      throw new Error(`${error}\n${said}`);
    });
    return {
      version: client.getNegotiatedProtocolVersion(),
      tools: async () => (await client.listTools()).tools,
      call: (name, args) => client.callTool({ name, arguments: args }),
      close: () => client.close(),
    };
  };
}

for (const asks of [false, true]) {
  await converse("mcp-remote", { version: "2025-11-25", asks, connect: connect([]) });
  const newer = { version: "2025-11-25", era: "2026-07-28", asks, connect: connect(["--protocol", "auto"]) };
  await converse("mcp-remote with --protocol auto", newer);
}
finish();
