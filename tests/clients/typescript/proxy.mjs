// Two replicas on one database behind nginx, in turn: a question that one asks is answered to the other, and either can be
// replaced while clients call. The TypeScript client of SDK 2 calls; nginx has deploy/nginx.conf, without TLS.
//
//   TRUEDY_TEST_POSTGRES=postgres://… node proxy.mjs PROGRAM FOLDER NGINX.CONF

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { CHANGES, INFO, STEPS, changesIn, check, finish, folder, talk } from "./conversation.mjs";
import { freePort, serveHttp, start, token, until } from "./server.mjs";

const [PROGRAM, , CONFIG] = process.argv.slice(2);
const DATABASES = process.env.TRUEDY_TEST_POSTGRES;
/** Calls at a time while the replicas are replaced. */
const CALLERS = 3;
/** How long a replica is away, in ms: long enough to be missed. How soon it must be called again. */
const AWAY = 1500;
const BACK = 5000;

const scratch = folder("proxy");
const ledger = join(scratch, "ledger.jsonl");

/** An empty database, as a server is told of it. */
function database() {
  const name = `proxy_${randomBytes(6).toString("hex")}`;
  const made = spawnSync("createdb", [`--maintenance-db=${DATABASES}`, name], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr ?? String(made.error));
  const url = new URL(DATABASES);
  url.pathname = name;
  return url.href;
}

async function sandbox() {
  const args = ["sandbox", "--listen", "127.0.0.1:0", "--ephemeral", "--fault", "rate_limit=0", "--ledger", ledger];
  const running = await start(PROGRAM, args, join(scratch, "sandbox.log"));
  const url = await running.says(/^export TRUEDY_BASE_URL=(\S+)$/m);
  return { ...running, url, key: await running.says(/^export TRUEDY_API_KEY=(\S+)$/m) };
}

/** What one replica needs; a function that starts it, and starts it again where it was. */
function replicas({ url, key }) {
  const stateKey = join(scratch, "state-key");
  writeFileSync(stateKey, randomBytes(32).toString("hex"), { mode: 0o600 });
  const env = { ...process.env, TRUEDY_API_KEY: key, TRUEDY_MCP_JOURNAL: database() };
  const args = ["--replicas", "2", "--state-key-file", stateKey, "--base-url", url, "--upstream-rpm", "off"];
  const opened = token(PROGRAM, scratch, "client");
  return (name, port) => serveHttp(PROGRAM, scratch, args, { port, env, log: `${name}.log`, opened });
}

/** nginx with the configuration that is deployed, but for addresses, folders and TLS. */
async function nginx(ports) {
  const [port, alive] = [await freePort(), await freePort()];
  const changes = [
    ["server truedy-1:8080", `server 127.0.0.1:${ports[0]}`],
    ["server truedy-2:8080", `server 127.0.0.1:${ports[1]}`],
    ["listen 8443 ssl http2", `listen 127.0.0.1:${port}`],
    ["listen 127.0.0.1:8081", `listen 127.0.0.1:${alive}`],
    [/^ *ssl_.*\n/gm, ""],
    // Each process takes turns by itself, and here it is said who must be next.
    ["worker_processes 2", "worker_processes 1"],
    // Before its own folder is named anywhere, which may lie below that one.
    [/ \/tmp\//g, ` ${scratch}/`],
    ["/dev/stdout", `${scratch}/access.log`],
    ["/dev/stderr", `${scratch}/error.log`],
  ];
  let text = readFileSync(CONFIG, "utf8");
  for (const [found, put] of changes) {
    const changed = text.replace(found, put);
    if (changed === text) throw new Error(`${found} is not in ${CONFIG}`);
    text = changed;
  }
  const config = join(scratch, "nginx.conf");
  writeFileSync(config, text);
  const args = ["-e", join(scratch, "start.log"), "-p", scratch, "-c", config, "-g", "daemon off;"];
  const running = await start("nginx", args, join(scratch, "nginx.log"));
  const up = () => fetch(`http://127.0.0.1:${alive}/`).then(({ status }) => status === 204, () => false);
  await until("nginx listens", up);
  return { ...running, url: new URL(`http://127.0.0.1:${port}/mcp`) };
}

/** What nginx noted of the requests so far: which replicas each was given to, and what came back. */
function passed() {
  const lines = readFileSync(join(scratch, "access.log"), "utf8").split("\n").filter(Boolean);
  return lines.map((line) => {
    // The last two words; where two replicas were asked, each is two with a comma between.
    const [, status, to] = line.match(/ (\d{3}) \d+ [\d.]+ (\S+(?:, \S+)*) \S+(?:, \S+)*$/);
    return { status, to };
  });
}

/** A client through nginx. `asked` notes a word for each request. */
function connectWith(mode, asked = () => {}) {
  return async ({ url, headers }, person) => {
    const client = new Client(INFO, {
      capabilities: person ? { elicitation: { form: {} } } : {},
      versionNegotiation: { mode },
    });
    if (person) client.setRequestHandler("elicitation/create", ({ params }) => person.fill(params));
    let now = "connecting";
    const noted = (...request) => {
      asked(now);
      return fetch(...request);
    };
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers }, fetch: noted }));
    return {
      version: client.getNegotiatedProtocolVersion(),
      tools: async () => (await client.listTools()).tools,
      call: (name, args) => {
        now = JSON.stringify({ name, args });
        return client.callTool({ name, arguments: args });
      },
      close: () => client.close(),
    };
  };
}

/** The conversation in the newer era: both rounds of each question, by the log of nginx. */
async function questions(server) {
  console.log("SDK 2, 2026-07-28, through nginx, with elicitation");
  const requests = [];
  const connect = connectWith("auto", (word) => requests.push(word));
  await talk(server, { version: "2026-07-28", asks: true, asked: true, connect });
  await until("nginx has noted all requests", () => passed().length >= requests.length);
  const noted = passed();
  check("nginx passed on each request once", noted.length === requests.length, { noted, requests });
  for (const { what, tool, arguments: args } of STEPS.filter(({ answer }) => answer)) {
    const call = JSON.stringify({ name: tool, args });
    const hops = noted.filter((_, index) => requests[index] === call).map(({ to }) => to);
    // A call that is made twice in the conversation has its rounds one after the other.
    const pairs = hops.flatMap((hop, index) => (index % 2 ? [[hops[index - 1], hop]] : []));
    const right = hops.length % 2 === 0 && pairs.length > 0 && pairs.every(([asks, hears]) => asks !== hears);
    check(`${what}: one replica asks, the other hears the answer`, right, hops);
  }
}

/** What reads, in the older era: no replica keeps a session, so its `initialize` may have gone to the other one. */
async function older(server) {
  console.log("SDK 2, 2025-11-25, through nginx");
  const steps = STEPS.filter(({ tool }) => /^(list|search)_/.test(tool) && tool !== "search_numbers");
  await talk(server, { version: "2025-11-25", asks: false, asked: false, steps, connect: connectWith("legacy") });
}

/** Both replicas are replaced, one after the other, while clients call. */
async function replaced(server, replicas, serve) {
  console.log("SDK 2, 2026-07-28, while the replicas are replaced");
  const before = passed().length;
  let calls = 0;
  let going = true;
  const trouble = [];
  const callers = Array.from({ length: CALLERS }, async () => {
    const client = await connectWith("auto")(server);
    while (going) {
      const answer = await client.call("list_numbers", {}).catch((error) => ({ error: String(error) }));
      calls += 1;
      if (answer.structuredContent?.status !== "ok") trouble.push(answer);
      await sleep(10);
    }
    await client.close();
  });
  for (const [index, old] of replicas.entries()) {
    const ended = await old.stop();
    check(`replica ${index + 1} ends in order while it is called`, ended === 0, { ended, said: old.said() });
    await sleep(AWAY);
    replicas[index] = await serve(`replica-${index + 1}-again`, old.url.port);
    // nginx must give it requests again before the other one goes: an operator replaces one after the other.
    const again = passed().length;
    const heard = () => passed().slice(again).some(({ to, status }) => status === "200" && to === old.url.host);
    await until(`replica ${index + 1} is called again`, heard, BACK);
  }
  going = false;
  await Promise.all(callers);
  check(`none of the calls failed, and there were enough`, trouble.length === 0 && calls > 50, { calls, trouble });
  console.log(`          ${calls} calls, ${passed().slice(before).filter(({ to }) => to.includes(",")).length} of them asked of the second replica`);
}

if (!DATABASES) throw new Error("TRUEDY_TEST_POSTGRES names no server");
const truedy = await sandbox();
const serve = replicas(truedy);
const both = [await serve("replica-1"), await serve("replica-2")];
const front = await nginx(both.map(({ url }) => url.port));
const server = { url: front.url, headers: both[0].headers };
try {
  await questions(server);
  await older(server);
  const changes = changesIn(ledger);
  check("Truedy saw one purchase and one release", `${changes}` === `${CHANGES}`, changes);
  await replaced(server, both, serve);
} catch (error) {
  check("gets through", false, String(error?.stack ?? error));
} finally {
  for (const running of [front, ...both, truedy]) await running.stop();
}
const said = both.map((replica) => replica.said()).join("");
check("no replica logged trouble or the token", !/"(WARN|ERROR)"/.test(said) && !said.includes(both[0].token), said);
finish();
