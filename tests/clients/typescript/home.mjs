// A home of its own for a client that is a program: nothing in it is of whoever runs this, and it speaks to nobody beyond
// this machine. In its PATH is `truedy-mcp`, as the printed snippets name it: the server behind a relay.

import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

import { folder } from "./conversation.mjs";
import { RELAY, exchanges, logged } from "./relay.mjs";

const PATIENCE = 120_000;
/** Nobody listens there. */
export const NOWHERE = "http://127.0.0.1:9";

/** What `truedy-mcp config print` says for a client, without its comments. */
export function printed(program, ...args) {
  const { status, stdout, stderr } = spawnSync(program, ["config", "print", ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout.replace(/^#.*\n/gm, "");
}

/**
 * The home; the server in it works on a large account if there is one, else on a sandbox of its own with these options. It
 * logs what is said of it, and little where nothing is.
 */
export function settle(program, name, { account, options = [], logs } = {}) {
  const scratch = folder(name);
  const [home, work, bin, notes] = ["home", "work", "bin", "notes.jsonl"].map((part) => join(scratch, part));
  for (const made of [home, work, bin]) mkdirSync(made);
  const ledger = account?.ledger ?? join(scratch, "ledger.jsonl");
  const variables = { TRUEDY_MCP_STATE_DIR: join(scratch, "state"), ...(account && { TRUEDY_BASE_URL: account.url }), ...(logs && { RUST_LOG: logs }) };
  const given = account ? ["--upstream-rpm", "off"] : ["--sandbox", "--ephemeral", "--ledger", ledger];
  const word = (text) => `'${text}'`;
  const lines = [
    "#!/bin/sh",
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${word(value)}`),
    `exec ${[process.execPath, RELAY, notes, program].map(word).join(" ")} "$@" ${[...given, ...options].map(word).join(" ")}`,
  ];
  const shim = join(bin, "truedy-mcp");
  writeFileSync(shim, `${lines.join("\n")}\n`);
  chmodSync(shim, 0o755);
  const env = {
    PATH: [bin, process.env.PATH].join(delimiter),
    HOME: home,
    TRUEDY_API_KEY: account?.key ?? "none",
    HTTP_PROXY: NOWHERE,
    HTTPS_PROXY: NOWHERE,
    NO_PROXY: "127.0.0.1,localhost",
  };
  const heard = () => (existsSync(notes) ? readFileSync(notes, "utf8") : "");
  return { scratch, home, work, env, ledger, exchanges: () => exchanges(notes), logged: () => logged(notes), heard };
}

/** Runs a program to its end; `host` is given each line that it says, and what it comes to goes back as a line. */
export async function runToEnd(program, args, { env, cwd, opening, host }) {
  const child = spawn(program, args, { env, cwd, stdio: [opening ? "pipe" : "ignore", "pipe", "pipe"] });
  const tooLong = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  let said = "";
  child.stderr.on("data", (chunk) => (said += chunk));
  const send = (object) => child.stdin.write(`${JSON.stringify(object)}\n`);
  if (opening) send(opening);
  const read = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      said += `${line}\n`;
      const answer = await host?.(JSON.parse(line));
      if (answer === "end") child.stdin.end();
      else if (answer) send(answer);
    }
  })();
  const code = await new Promise((resolve) => child.on("close", resolve));
  await read;
  clearTimeout(tooLong);
  return { code, said };
}
