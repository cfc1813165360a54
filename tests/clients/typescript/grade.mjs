// mcpgrade: how well agents can use the catalogue. It works on the list alone and needs no network.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { check, finish, serve } from "./conversation.mjs";

const MCPGRADE = fileURLToPath(new URL("node_modules/.bin/mcpgrade", import.meta.url));
const ENOUGH = 95;

const { command, args } = serve("--ephemeral");
const run = spawnSync(process.execPath, [MCPGRADE, "--json", "--stdio", [command, ...args].join(" ")], {
  encoding: "utf8",
});
if (!run.stdout) throw new Error(run.stderr);
const { totalScore, findings } = JSON.parse(run.stdout);
for (const { ruleId, severity, message } of findings) console.log(`        ${severity} ${ruleId}: ${message}`);
check(`mcpgrade: ${totalScore} of 100, at least ${ENOUGH}`, totalScore >= ENOUGH, totalScore);
finish();
