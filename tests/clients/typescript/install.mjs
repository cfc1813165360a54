// `truedy-mcp config install` on the files of real clients: each then lists the server as connected, or calls it, and after
// `config remove` the file is as it was. What the formats of the others ask for is tried in tests/e2e/cli/client_install.rs.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { CLAUDE, QUIET } from "./claude.mjs";
import { check, finish, part } from "./conversation.mjs";
import { runToEnd, settle } from "./home.mjs";
import { startModel } from "./responses.mjs";

const [PROGRAM] = process.argv.slice(2);
const at = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const CODEX = at("@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex");
const GEMINI = at("@google/gemini-cli/bundle/gemini.js");
const OTHER = { command: "/nowhere/other", args: [] };

/** Claude Code changes its file itself, and keeps rewriting it. */
const claudeCode = {
  file: ".claude.json",
  before: `${JSON.stringify({ numStartups: 1, mcpServers: { other: { type: "stdio", ...OTHER, env: {} } } }, null, 2)}\n`,
  prepare: ({ scratch }) => symlinkSync(CLAUDE, join(scratch, "bin", "claude")),
  servers: (text) => JSON.parse(text).mcpServers ?? {},
  async connects({ env, work }) {
    const listed = await runToEnd(CLAUDE, ["mcp", "list"], { env: { ...env, ...QUIET }, cwd: work });
    check("claude mcp list says that it is connected", /truedy: .* stdio --sandbox .*Connected/.test(listed.said), listed);
  },
};

const gemini = {
  file: ".gemini/settings.json",
  before: `{\r\n  // mine\r\n  "mcpServers": { "other": ${JSON.stringify(OTHER)} },\r\n  "privacy": { "usageStatisticsEnabled": false }\r\n}`,
  prepare: ({ home, work }) =>
    writeFileSync(join(home, ".gemini", "trustedFolders.json"), JSON.stringify({ [work]: "TRUST_FOLDER" })),
  servers: (text) => JSON.parse(text.replace(/^\s*\/\/.*$/gm, "")).mcpServers,
  async connects({ env, work, scratch }) {
    const variables = { ...env, TMPDIR: scratch, NO_COLOR: "1" };
    const listed = await runToEnd(process.execPath, [GEMINI, "mcp", "list"], { env: variables, cwd: work });
    check("gemini mcp list says that it is connected", /truedy: .* stdio --sandbox \(stdio\) - Connected/.test(listed.said), listed);
  },
};

/** It lists servers without starting them. So a model that is played calls one of its tools. */
const codex = {
  file: ".codex/config.toml",
  before: '# mine\nmodel   = "gpt-5.5"\ncheck_for_update_on_startup = false\n\n[mcp_servers.other]\ncommand = "/nowhere/other" # not there\nenabled = false',
  servers: (text) => Object.fromEntries([...text.matchAll(/^\[mcp_servers\.(\w+)\]/gm)].map(([, name]) => [name, {}])),
  async connects({ env, work }) {
    const listed = await runToEnd(CODEX, ["mcp", "list"], { env, cwd: work });
    check("codex mcp list shows it enabled", /truedy .* stdio --sandbox .*enabled/.test(listed.said), listed);
    const model = await startModel([{ tool: "list_numbers", arguments: {} }]);
    try {
      const provider = `{name="played",base_url="${model.url}",wire_api="responses",env_key="PLAYED_KEY"}`;
      const settings = ["-c", "model_provider=played", "-c", `model_providers.played=${provider}`, "-c", "analytics.enabled=false"];
      const args = ["exec", "--strict-config", "--skip-git-repo-check", ...settings, "Which numbers do we have?"];
      const ran = await runToEnd(CODEX, args, { env: { ...env, PLAYED_KEY: "none" }, cwd: work });
      check("codex exec comes to its end", ran.code === 0, ran);
      check("and a tool of the server answers", /total_monthly|\+1/.test(JSON.stringify(model.seen.results)), model.seen.results);
    } finally {
      model.close();
    }
  },
};

/** Runs `truedy-mcp config` as a person does in that home. */
function config({ env, work }, ...args) {
  const { TRUEDY_API_KEY, ...variables } = env;
  return spawnSync(PROGRAM, ["config", ...args], { encoding: "utf8", env: variables, cwd: work });
}

async function comesAndGoes(name, client) {
  console.log(name);
  const place = settle(PROGRAM, `install-${name}`);
  const file = join(place.home, client.file);
  const read = () => readFileSync(file, "utf8");
  mkdirSync(dirname(file), { recursive: true });
  client.prepare?.(place);
  writeFileSync(file, client.before);
  const installed = config(place, "install", name, "--sandbox");
  check("is installed", installed.status === 0 && read() !== client.before, installed);
  const removed = config(place, "remove", name);
  check("the file is as it was, to the last byte", removed.status === 0 && read() === client.before, { removed, now: read() });

  const again = config(place, "install", name, "--sandbox");
  check("is installed again", again.status === 0, again);
  await client.connects(place);
  const checked = config(place, "check", name, "--json");
  check("config check finds it in the sandbox", checked.status === 0 && JSON.parse(checked.stdout).clients[0].mode === "sandbox", checked);
  const gone = config(place, "remove", name);
  const left = Object.keys(client.servers(read()));
  check("is gone, and the other server is not", gone.status === 0 && `${left}` === "other", { gone, left });

  rmSync(file);
  config(place, "install", name, "--sandbox");
  await client.connects(place);
  const last = config(place, "remove", name);
  check("a file that was not there serves as well", last.status === 0, last);
}

for (const [name, client] of Object.entries({ "claude-code": claudeCode, gemini, codex })) {
  await part(() => comesAndGoes(name, client));
}
finish();
