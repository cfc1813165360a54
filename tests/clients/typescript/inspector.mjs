// MCP Inspector's command line: a process a call, so over stdio the sandbox keeps its state in a folder. It carries no
// questions.
// With `--strict` it fails on tool schemas that some client cannot read.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { check, converse, finish } from "./conversation.mjs";

const INSPECTOR = fileURLToPath(new URL("node_modules/.bin/mcp-inspector", import.meta.url));
const TOOL_IS_ERROR = 5;

function connectIn(era) {
  return async ({ command, args, url, headers, sse }) => {
    const server = url ? ["--server-url", url.href, "--transport", sse ? "sse" : "http"] : ["--", command, ...args];
    for (const [name, value] of Object.entries(headers ?? {})) server.unshift("--header", `${name}: ${value}`);
    const inspect = (...options) => {
      const line = [INSPECTOR, "--cli", "--protocol-era", era, "--format", "json", ...options, ...server];
      return spawnSync(process.execPath, line, { encoding: "utf8" });
    };
    const result = ({ stdout, stderr }) => {
      if (!stdout) throw new Error(stderr);
      return JSON.parse(stdout).result;
    };
    return {
      version: result(inspect("--method", "initialize")).protocolVersion,
      tools: async () => {
        const listed = inspect("--method", "tools/list", "--strict");
        check("finds no fault in the schemas", listed.status === 0, listed.stderr);
        return result(listed).tools;
      },
      call: async (name, args) => {
        const json = JSON.stringify(args);
        const called = inspect("--method", "tools/call", "--tool-name", name, "--tool-args-json", json);
        const answer = result(called);
        const expected = answer.isError ? TOOL_IS_ERROR : 0;
        if (called.status !== expected) throw new Error(`exit code ${called.status}: ${called.stderr}`);
        return answer;
      },
      close: async () => {},
    };
  };
}

for (const [era, version] of [["legacy", "2025-11-25"], ["modern", "2026-07-28"]]) {
  await converse("Inspector", { version, asks: false, kept: true, connect: connectIn(era) });
}
finish();
