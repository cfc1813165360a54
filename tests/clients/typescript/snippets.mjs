// What `truedy-mcp config print` says for each client: its keys are those that the client documents, and what it names, done
// as the client does it, connects with the right key or token. The real clients that can be had are tried beside this.

import { spawnSync } from "node:child_process";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { parse } from "yaml";

import { startAccount } from "./account.mjs";
import { INFO, TOOLS, check, finish, folder, part } from "./conversation.mjs";
import { settle } from "./home.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const LOCAL = ["command", "args", "env"];
const REMOTE = ["url", "headers"];

/**
 * By the documentation of each: where the servers are listed, which keys one has on stdio and over HTTP, and how a value is
 * taken from elsewhere: from the environment, from an input, or by a person who writes it over what is printed.
 */
const CLIENTS = {
  // code.claude.com/docs/en/mcp
  "claude-code": {
    list: "mcpServers",
    stdio: ["type", ...LOCAL],
    http: ["type", ...REMOTE],
    fill: (text, { variables }) => text.replace(/\$\{(\w+)\}/g, (_, name) => variables[name]),
  },
  // modelcontextprotocol.io/docs/develop/connect-local-servers; what is remote needs a bridge, which takes no space in a header
  "claude-desktop": { list: "mcpServers", stdio: LOCAL, bridged: true },
  // code.visualstudio.com/docs/copilot/reference/mcp-configuration
  vscode: {
    list: "servers",
    beside: ["inputs"],
    stdio: ["type", ...LOCAL],
    http: ["type", ...REMOTE],
    fill: (text, { written, document }) =>
      text.replace(/\$\{input:([\w-]+)\}/g, (_, wanted) => {
        const { type, description, password } = document.inputs.find(({ id }) => id === wanted);
        return type === "promptString" && description && password ? written : undefined;
      }),
  },
  // cursor.com/docs/context/mcp
  cursor: {
    list: "mcpServers",
    stdio: LOCAL,
    http: REMOTE,
    fill: (text, { variables }) => text.replace(/\$\{env:(\w+)\}/g, (_, name) => variables[name]),
  },
  // geminicli.com/docs/tools/mcp-server; `url` is SSE in older versions
  gemini: {
    list: "mcpServers",
    stdio: LOCAL,
    http: ["httpUrl", "headers"],
    fill: (text, { variables }) => text.replace(/\$(\w+)/g, (_, name) => variables[name]),
  },
  // docs.windsurf.com/windsurf/cascade/mcp
  windsurf: {
    list: "mcpServers",
    stdio: LOCAL,
    http: ["serverUrl", "headers"],
    fill: (text, { variables }) => text.replace(/\$\{env:(\w+)\}/g, (_, name) => variables[name]),
  },
  // opencode.ai/docs/mcp-servers; the command is one list
  opencode: {
    list: "mcp",
    stdio: ["type", "command", "enabled", "environment"],
    http: ["type", "enabled", ...REMOTE],
    type: { stdio: "local", http: "remote" },
    fill: (text, { variables }) => text.replace(/\{env:(\w+)\}/g, (_, name) => variables[name]),
  },
  // docs.cline.bot/mcp: without its type, a URL is taken as SSE
  cline: { list: "mcpServers", stdio: LOCAL, http: ["type", ...REMOTE], type: { http: "streamableHttp" } },
  // lmstudio.ai/docs/app/mcp
  lmstudio: { list: "mcpServers", stdio: LOCAL, http: REMOTE },
  // librechat.ai/docs/configuration/librechat_yaml
  librechat: {
    list: "mcpServers",
    parse,
    stdio: ["type", ...LOCAL],
    http: ["type", ...REMOTE],
    type: { http: "streamable-http" },
    fill: (text, { variables }) => text.replace(/\$\{(\w+)\}/g, (_, name) => variables[name]),
  },
  // zed.dev/docs/ai/mcp; `source` is what versions before remote servers ask for
  zed: { list: "context_servers", stdio: ["source", ...LOCAL], http: REMOTE },
  // goose-docs.ai/docs/guides/config-files: some versions refuse an extension without a description
  goose: {
    list: "extensions",
    parse,
    stdio: ["name", "description", "type", "enabled", "cmd", "args", "envs", "timeout"],
    http: ["name", "description", "type", "enabled", "uri", "headers", "timeout"],
    type: { stdio: "stdio", http: "streamable_http" },
  },
};

/** What is printed, as the client reads it. */
function read(name, { parse = JSON.parse }, ...args) {
  const { stdout } = spawnSync(PROGRAM, ["config", "print", name, ...args], { encoding: "utf8" });
  return parse(stdout.replace(/^#.*\n/gm, ""));
}

/** That the server is listed where the client looks, with the keys it knows and all of them; gives the entry. */
function entry(document, { list, beside = [], type = {}, ...client }, way) {
  check("holds the list of servers and nothing unknown", `${Object.keys(document).sort()}` === `${[...beside, list].sort()}`, document);
  const server = document[list].truedy;
  check("has the keys that are documented", `${Object.keys(server).sort()}` === `${[...client[way]].sort()}`, server);
  if ("type" in server) check("is of the type that it is", server.type === (type[way] ?? way), server.type);
  return server;
}

/** All texts in an entry with their values filled in; `written` stands for what a person writes or types. */
function filled(texts, { fill = (text) => text }, values) {
  const written = (text) => fill(text.replace(/your (key|token)/, values.written), values);
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, written(text)]));
}

/** Connects, lists the tools, and lists the numbers, for which the key must be right. */
async function works(transport) {
  const client = new Client(INFO, { versionNegotiation: { mode: "auto" } });
  try {
    await client.connect(transport);
    const { tools } = await client.listTools();
    const { isError, structuredContent } = await client.callTool({ name: "list_numbers", arguments: {} });
    check("connects, and the key is right", tools.length === TOOLS && !isError && structuredContent.status === "ok", structuredContent);
  } catch (error) {
    check("connects", false, String(error));
  } finally {
    await client.close();
  }
}

async function onStdio(name, client, account) {
  console.log(`${name}, stdio`);
  const { env, work } = settle(PROGRAM, `snippet-${name}`, { account });
  const { TRUEDY_API_KEY, ...others } = env;
  const document = read(name, client);
  const server = entry(document, client, "stdio");
  const values = { document, written: TRUEDY_API_KEY, variables: { TRUEDY_API_KEY } };
  const given = filled(server.env ?? server.envs ?? server.environment, client, values);
  const [command, ...args] = [server.command ?? server.cmd, server.args ?? []].flat();
  check("names the program, not a place", command === "truedy-mcp", command);
  // Nothing of ours but what the snippet gives.
  await works(new StdioClientTransport({ command, args, env: { ...others, ...given }, cwd: work }));
}

async function overHttp(name, client, { url, token }) {
  console.log(`${name}, HTTP`);
  const document = read(name, client, "--http", "--url", url);
  if (client.bridged) {
    const { args, env } = entry(document, { ...client, http: LOCAL }, "http");
    const header = args[args.indexOf("--header") + 1];
    const values = filled(env, client, { written: token });
    check("hands the bridge the address", args.includes("mcp-remote") && args.includes(url), args);
    const sent = header.replace(/\$\{(\w+)\}/, (_, name) => values[name]);
    check("and the token in a header without a space in its argument", !/\s/.test(header) && sent === `Authorization:Bearer ${token}`, header);
    return;
  }
  const server = entry(document, client, "http");
  const values = { document, written: token, variables: { TRUEDY_MCP_TOKEN: token } };
  const headers = filled(server.headers, client, values);
  const where = server.url ?? server.httpUrl ?? server.serverUrl ?? server.uri;
  await works(new StreamableHTTPClientTransport(new URL(where), { requestInit: { headers } }));
}

const scratch = folder("snippets");
const account = await startAccount(PROGRAM, scratch);
const env = { ...process.env, TRUEDY_API_KEY: account.key, TRUEDY_BASE_URL: account.url, TRUEDY_MCP_UPSTREAM_RPM: "off" };
const server = await serveHttp(PROGRAM, scratch, ["--state-dir", scratch, "--drain-seconds", "0"], { env });
try {
  for (const [name, client] of Object.entries(CLIENTS)) {
    await part(() => onStdio(name, client, account));
    await part(() => overHttp(name, client, { url: `${server.url.href}mcp`, token: server.token }));
  }
} finally {
  const ended = await server.stop();
  check("the server ends in order", ended === 0, { ended, said: server.said() });
  await account.stop();
}
finish();
