// A short load with wrk: every answer must be a whole list of tools. How fast it was is told and not judged.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { TOOLS, check, finish, folder } from "./conversation.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const REVISION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientInfo": { name: "wrk", version: "4" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const BODY = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: META } });
const HEADERS = {
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
  "mcp-protocol-version": REVISION,
  "mcp-method": "tools/list",
};

/** What wrk sends and looks at; it prints one line of JSON at the end. An answer that differs in length is no whole list. */
function script(headers, length) {
  const named = Object.entries(headers).map(([name, value]) => `["${name}"] = "${value}"`);
  return `
    wrk.method = "POST"
    wrk.body = [[${BODY}]]
    wrk.headers = { ${named.join(", ")} }
    local threads = {}
    function setup(thread) table.insert(threads, thread) end
    function init() wrong = 0 end
    function response(status, headers, body)
      if status ~= 200 or #body ~= ${length} then wrong = wrong + 1 end
    end
    function done(summary, latency)
      local all, e = 0, summary.errors
      for _, thread in ipairs(threads) do all = all + thread:get("wrong") end
      print(string.format('{"requests": %d, "seconds": %.2f, "wrong": %d, "status": %d, "broken": %d, "late": %d, "median_ms": %.1f, "p99_ms": %.1f}',
        summary.requests, summary.duration / 1e6, all, e.status, e.connect + e.read + e.write, e.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
    end`;
}

const scratch = folder("load");
const running = await serveHttp(PROGRAM, scratch, ["--sandbox", "--ephemeral", "--drain-seconds", "0"]);
const url = new URL("/mcp", running.url);
const headers = { ...HEADERS, ...running.headers };
try {
  const text = await fetch(url, { method: "POST", headers, body: BODY }).then((answer) => answer.text());
  check("the list is whole", JSON.parse(text).result?.tools?.length === TOOLS, text);
  const lua = join(scratch, "load.lua");
  writeFileSync(lua, script(headers, Buffer.byteLength(text)));
  const args = ["--threads", "2", "--connections", "128", "--duration", "5s", "--timeout", "20s", "--script", lua, url.href];
  const wrk = spawnSync("wrk", args, { encoding: "utf8" });
  const said = wrk.stdout?.match(/^\{"requests".*$/m)?.[0];
  if (!said) throw new Error(`${wrk.error ?? ""} ${wrk.stdout} ${wrk.stderr}`);
  const { requests, seconds, wrong, status, broken, late, ...times } = JSON.parse(said);
  console.log(`          ${requests} requests, ${Math.round(requests / seconds)} a second, ${JSON.stringify(times)}`);
  check("every one of 128 clients' requests was answered with the list", requests > 0 && wrong + status + broken + late === 0, said);
} catch (error) {
  check("gets through", false, String(error?.stack ?? error));
} finally {
  const ended = await running.stop();
  const log = running.said();
  check("the server ends in order, without trouble", ended === 0 && !/"(WARN|ERROR)"/.test(log), { ended, log });
}
finish();
