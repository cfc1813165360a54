// Holds the conversation of ../conversation.json through any client, and prints one line a check.
//
// A client is a function `connect(server, person)`, where `server` is `{ command, args }` and `person`, if there is one,
// answers forms. It gives `{ version, tools, call, close }`.

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const [PROGRAM, SCRATCH] = process.argv.slice(2);
const STEPS = JSON.parse(readFileSync(new URL("../conversation.json", import.meta.url), "utf8"));
const NUMBER = "+14155550100";
const TOOLS = 12;
const CHANGES = ["POST /api/public/v1/telephony/numbers/purchase", "DELETE /api/public/v1/telephony/numbers/<id>"];

export const INFO = { name: "truedy-mcp-clients", version: "1.0.0" };

let passed = 0;
let failed = 0;

/** Notes one check; `seen` is printed where it does not hold. */
export function check(what, holds, seen) {
  if (holds) passed += 1;
  else failed += 1;
  console.log(holds ? `  ok      ${what}` : `  FAILED  ${what}\n          ${JSON.stringify(seen)}`);
}

/** Prints the count; the process fails if a check did. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** The command that serves MCP: `truedy-mcp stdio` on a sandbox, with these further arguments. */
export function serve(...args) {
  return { command: PROGRAM, args: ["stdio", "--sandbox", ...args] };
}

/** An empty folder of this name. */
export function folder(name) {
  const path = join(SCRATCH, name.replaceAll(/[^a-z0-9.]+/gi, "-"));
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

/** The user: answers each form as the step says, and remembers the forms. */
class Person {
  forms = [];

  fill = ({ message, requestedSchema }) => {
    this.forms.push({ message, fields: Object.keys(requestedSchema.properties).sort() });
    return this.answer === "decline" ? { action: "decline" } : { action: "accept", content: this.answer };
  };

  /** Whether there were so many forms, and they named the number and wanted what the answer has. */
  wasAsked(times) {
    const wanted = this.answer === "decline" ? undefined : Object.keys(this.answer ?? {}).sort();
    const right = ({ message, fields }) => message.includes(NUMBER) && (!wanted || `${fields}` === `${wanted}`);
    return this.forms.length === times && this.forms.every(right);
  }
}

/** The whole conversation with one server; `asks` says whether the client carries questions to its user. */
export async function converse(name, { version, asks, state = "--ephemeral", connect }) {
  const title = `${name}, ${version}, ${asks ? "with" : "without"} elicitation`;
  console.log(title);
  const scratch = folder(title);
  const ledger = join(scratch, "ledger.jsonl");
  const person = asks ? new Person() : undefined;
  try {
    const kept = state === "--ephemeral" ? [state] : [state, scratch];
    const client = await connect(serve(...kept, "--ledger", ledger), person);
    check("negotiates the version", client.version === version, client.version);
    const tools = await client.tools();
    check(`lists ${TOOLS} tools`, tools.length === TOOLS, tools);
    for (const step of STEPS.filter((step) => asks || !step.answer || step.also_without_asking)) {
      await take(step, client, person);
    }
    await client.close();
    const changes = changesIn(ledger);
    check("Truedy saw one purchase and one release", `${changes}` === `${CHANGES}`, changes);
  } catch (error) {
    check("gets through the conversation", false, String(error?.stack ?? error));
  }
}

async function take(step, client, person) {
  if (person) Object.assign(person, { answer: step.answer, forms: [] });
  const result = await client.call(step.tool, step.arguments);
  const answer = result.structuredContent ?? {};
  const text = result.content?.[0]?.text ?? "";
  const json = JSON.stringify(answer);
  const answered =
    (result.isError ?? false) === (step.refused ?? false) &&
    answer.status === step.status &&
    text.startsWith(answer.summary) &&
    (!step.shows || (json.includes(step.shows) && text.includes(step.shows))) &&
    (!step.lacks || !(json + text).includes(step.lacks)) &&
    (!step.field || answer.problems?.some(({ field }) => field === step.field));
  const asked = !person || person.wasAsked(step.answer ? 1 : 0);
  check(step.what, answered && asked, { result, forms: person?.forms });
}

/** What changed something upstream, in order. */
function changesIn(ledger) {
  return readFileSync(ledger, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter(({ method, path }) => method && method !== "GET" && !path.endsWith("/search"))
    .map(({ method, path }) => `${method} ${path.replace(/[0-9a-f-]{36}$/, "<id>")}`);
}
