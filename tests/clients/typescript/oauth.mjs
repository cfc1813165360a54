// mcp-remote as an OAuth client: registration, PKCE, and a person who follows the link that it prints, against an authorization
// server of these tests. A client of the official SDK holds the conversation through it.

import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { CHANGES, INFO, changesIn, check, finish, folder, part, talk } from "./conversation.mjs";
import { startIssuer } from "./issuer.mjs";
import { freePort, serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const BRIDGE = fileURLToPath(new URL("node_modules/mcp-remote/dist/proxy.js", import.meta.url));
const LOGINS = 2;
/** How long a call may take with a login in it, in ms. */
const PATIENCE = 20_000;

/** The bridge in a home of its own; each link that it prints for its user is followed once. */
function connectIn(home, further) {
  return async ({ url }) => {
    const client = new Client(INFO, { capabilities: {}, versionNegotiation: { mode: "legacy" } });
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [BRIDGE, url.href, "--transport", "http-only", ...further],
      env: { PATH: process.env.PATH, HOME: home, MCP_REMOTE_CONFIG_DIR: join(home, "mcp-auth"), BROWSER: "true" },
      stderr: "pipe",
    });
    let said = "";
    const followed = new Set();
    transport.stderr.on("data", (chunk) => {
      said += chunk;
      for (const [link] of said.matchAll(/^http:\/\/127\.0\.0\.1:\d+\/authorize\?\S+$/gm)) {
        if (followed.has(link)) continue;
        followed.add(link);
        fetch(link).catch((error) => (said += `${error}\n`));
      }
    });
    const explained = (error) => Promise.reject(new Error(`${error}\n${said}`));
    await client.connect(transport).catch(explained);
    return {
      version: client.getNegotiatedProtocolVersion(),
      tools: async () => (await client.listTools().catch(explained)).tools,
      call: (name, args) => client.callTool({ name, arguments: args }, { timeout: PATIENCE }).catch(explained),
      close: () => client.close(),
    };
  };
}

async function converse(title, further) {
  console.log(title);
  const scratch = folder(title);
  const ledger = join(scratch, "ledger.jsonl");
  const issuer = await startIssuer();
  const port = await freePort();
  const url = new URL(`http://127.0.0.1:${port}/mcp`);
  const args = ["--sandbox", "--ephemeral", "--ledger", ledger, "--drain-seconds", "0"];
  const server = await serveHttp(PROGRAM, scratch, [...args, "--oauth-issuer", issuer.url, "--oauth-audience", url.href], { port });
  try {
    await part(() => talk({ url }, { version: "2025-11-25", asks: false, asked: false, connect: connectIn(scratch, further) }));
    const { logins } = issuer;
    check(`logs in once, and never more than ${LOGINS} times`, logins.length >= 1 && logins.length <= LOGINS, logins);
  } finally {
    issuer.close();
    const ended = await server.stop();
    const said = server.said();
    check("the server ends in order", ended === 0, { ended, said });
    check("and logged no trouble", !/"(WARN|ERROR)"/.test(said), said);
  }
  const changes = changesIn(ledger);
  check("Truedy saw one purchase and one release", `${changes}` === `${CHANGES}`, changes);
}

await converse("mcp-remote, OAuth", []);
await converse("mcp-remote with --protocol auto, OAuth", ["--protocol", "auto"]);
finish();
