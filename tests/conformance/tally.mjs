// Judges a run of the conformance suite by the checks it wrote down:
//
//   node tally.mjs judge RESULTS [BASELINE]   every check passes or is in the baseline, and nothing in that passes
//   node tally.mjs list RESULTS               what such a baseline would have to say, with the reasons
//
// It is stricter than the suite, which lets warnings and whatever fails in the scenarios it does not score pass.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Scenarios about what we do without on purpose. */
const LEFT_OUT = [
  { scenarios: /^tasks-/, why: "the tasks extension is not offered" },
  { scenarios: /^server-sse-polling$/, why: "streams are not resumed: the event that allows it breaks older clients" },
];
/** Holds of every message, whatever a server has, so nothing excuses it. */
const NEVER_EXCUSED = "wire-schema-valid";

const [mode, results, baseline] = process.argv.slice(2);

/** The checks of every scenario. Each has a folder, server-SCENARIO-TIME. */
function read() {
  return readdirSync(results).map((folder) => ({
    scenario: folder.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[-\d]+Z$/, ""),
    checks: JSON.parse(readFileSync(join(results, folder, "checks.json"), "utf8")),
  }));
}

/** The entries of a baseline, which the suite reads too: `  - scenario:check`, one a line. */
function entries() {
  const lines = baseline ? readFileSync(baseline, "utf8").split("\n") : [];
  return lines.filter((line) => line.startsWith("  - ")).map((line) => line.slice(4).trim());
}

const all = read();
const ours = all.filter(({ scenario }) => !LEFT_OUT.some(({ scenarios }) => scenarios.test(scenario)));
const excused = entries();
let passed = 0;
/** The checks that did not pass, with the first reason for it. */
const reasons = new Map();
for (const { scenario, checks } of ours) {
  for (const { id, status, errorMessage, details } of checks) {
    const name = `${scenario}:${id}`;
    if (status === "SUCCESS") passed += 1;
    if ((status === "FAILURE" || status === "WARNING") && !reasons.has(name)) {
      reasons.set(name, (errorMessage ?? details?.message ?? "").replace(/\s+/g, " ").slice(0, 110));
    }
  }
}

if (mode === "list") {
  console.log("server:");
  for (const [name, reason] of [...reasons].sort()) {
    const defect = name.endsWith(`:${NEVER_EXCUSED}`);
    console.log(defect ? `  # NOTHING EXCUSES ${name}: ${reason}` : `  # ${reason}\n  - ${name}`);
  }
} else {
  const problems = [...reasons].filter(([name]) => !excused.includes(name)).map((entry) => entry.join(": "));
  for (const name of excused) {
    // A whole scenario would excuse checks that need no fixture.
    if (!name.includes(":")) problems.push(`${name}: the baseline must name the checks`);
    else if (name.endsWith(`:${NEVER_EXCUSED}`)) problems.push(`${name}: nothing excuses it`);
    else if (!reasons.has(name)) problems.push(`${name}: it is in the baseline and does not fail`);
  }
  for (const problem of problems) console.log(`FAILED  ${problem}`);
  for (const { scenarios, why } of LEFT_OUT) {
    const left = all.filter(({ scenario }) => scenarios.test(scenario)).length;
    if (left) console.log(`        left out (${left}): ${why}`);
  }
  if (excused.length) console.log(`        ${excused.length} kinds of check cannot pass without a fixture`);
  console.log(`${passed} passed, ${problems.length} failed`);
  process.exitCode = problems.length ? 1 : 0;
}
