// nginx with nothing but `proxy_pass`, as its beginner's guide has it: it speaks HTTP/1.0 to the server, under the server's own
// address, and keeps no connection. The official TypeScript client holds the conversation through it.

import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { CHANGES, INFO, changesIn, check, finish, folder, part, talk } from "./conversation.mjs";
import { freePort, serveHttp, start, until } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);

/** nginx in this folder, before this server. */
async function nginx(scratch, server) {
  const port = await freePort();
  const own = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"].map((name) => `${name}_temp_path ${scratch}/${name};`).join(" ");
  const config = join(scratch, "nginx.conf");
  writeFileSync(
    config,
    `pid ${scratch}/nginx.pid; events {}
http {
  access_log ${scratch}/access.log; ${own}
  server { listen 127.0.0.1:${port}; location / { proxy_pass ${server.origin}; } }
}
`,
  );
  const args = ["-e", join(scratch, "error.log"), "-p", scratch, "-c", config, "-g", "daemon off;"];
  const running = await start("nginx", args, join(scratch, "nginx.log"));
  const url = new URL(`http://127.0.0.1:${port}/mcp`);
  await until("nginx listens", () => listens(port));
  return { ...running, url };
}

/** Whether somebody listens there: a request would reach the server. */
function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => resolve(false)).on("connect", () => socket.end(() => resolve(true)));
  });
}

function connectWith(mode) {
  return async ({ url, headers }, person) => {
    const client = new Client(INFO, { capabilities: person ? { elicitation: { form: {} } } : {}, versionNegotiation: { mode } });
    if (person) client.setRequestHandler("elicitation/create", ({ params }) => person.fill(params));
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
    return {
      version: client.getNegotiatedProtocolVersion(),
      tools: async () => (await client.listTools()).tools,
      call: (name, args) => client.callTool({ name, arguments: args }),
      close: () => client.close(),
    };
  };
}

for (const [mode, version, asks] of [["legacy", "2025-11-25", false], ["auto", "2026-07-28", false], ["auto", "2026-07-28", true]]) {
  const title = `nginx as it comes, ${version}, ${asks ? "with" : "without"} elicitation`;
  console.log(title);
  const scratch = folder(title);
  const ledger = join(scratch, "ledger.jsonl");
  const args = ["--sandbox", "--ephemeral", "--ledger", ledger, "--drain-seconds", "0"];
  const server = await serveHttp(PROGRAM, scratch, args);
  const front = await nginx(scratch, server.url);
  const { headers } = server;
  await part(() => talk({ url: front.url, headers }, { version, asks, asked: asks, connect: connectWith(mode) }));
  const passed = readFileSync(join(scratch, "access.log"), "utf8").split("\n").filter((line) => line.includes('"POST '));
  check("nginx passed its requests on", passed.length > 0 && !passed.some((line) => / 5\d\d /.test(line)), passed.slice(-3));
  await front.stop();
  const ended = await server.stop();
  const said = server.said();
  check("the server ends in order", ended === 0, { ended, said });
  // Clients of the older era ask for a stream, too, and do without: the log says once what the proxy lacks.
  const told = said.split("\n").filter((line) => /"(WARN|ERROR)"/.test(line));
  const right = told.length <= (mode === "legacy" ? 1 : 0) && told.every((line) => line.includes("proxy_http_version"));
  check("and logged no other trouble, and no token", right && !said.includes(server.token), said);
  const changes = changesIn(ledger);
  check("Truedy saw one purchase and one release", `${changes}` === `${CHANGES}`, changes);
}
finish();
