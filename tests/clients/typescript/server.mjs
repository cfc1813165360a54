// Starts the program as an HTTP server of its own for one check, with a token for its client, and ends it.

import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const STARTS = 30_000;
const ENDS = 15_000;

/** Waits until `found` gives something; after `patience` ms it gives up and says what was awaited. */
export async function until(what, found, patience = STARTS) {
  for (const end = Date.now() + patience; ; await sleep(20)) {
    const value = await found();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not in time`);
  }
}

/** A port that is free, for a server whose address must be known before it starts. */
export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A process whose output goes to a file: what it says, how it ends, and how it is told to. */
export async function start(command, args, log, env = process.env) {
  const file = await open(log, "w");
  const child = spawn(command, args, { env, stdio: ["ignore", file.fd, file.fd] });
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
  await file.close();
  // Whatever becomes of this script, nothing of it goes on.
  const leave = () => child.kill("SIGKILL");
  process.on("exit", leave);
  ended.then(() => process.off("exit", leave));
  const said = () => readFileSync(log, "utf8");
  return {
    said,
    /** What the first group of this pattern finds in what it says. */
    async says(pattern) {
      const found = () => said().match(pattern)?.[1] ?? (child.exitCode === null ? undefined : Promise.reject(said()));
      return await until(`${command} ${args[0]} says ${pattern}`, found);
    },
    /** Ends it, and gives the exit code or the signal that ended it. */
    async stop() {
      child.kill("SIGTERM");
      const late = sleep(ENDS, "late", { ref: false });
      const how = await Promise.race([ended, late]);
      if (how === "late") child.kill("SIGKILL");
      return how;
    },
  };
}

/** A file of tokens in this folder, and the token of a principal that is in it. */
export function token(program, folder, principal) {
  const file = join(folder, "tokens.toml");
  const made = spawnSync(program, ["token", "new", "--tokens", file, "--principal", principal], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr);
  return { file, token: made.stdout.trim() };
}

/** `truedy-mcp http` in this folder with these further arguments, opened by a token of its own or by that of others. */
export async function serveHttp(program, folder, args, { port = 0, env, log = "server.log", opened } = {}) {
  const { file, token: secret } = opened ?? token(program, folder, "client");
  const fixed = ["http", "--listen", `127.0.0.1:${port}`, "--tokens", file, "--log-format", "json"];
  const server = await start(program, [...fixed, ...args], join(folder, log), env);
  const url = new URL(await server.says(/listening on (\S+)\/mcp\n/));
  return { ...server, url, token: secret, headers: { Authorization: `Bearer ${secret}` } };
}
