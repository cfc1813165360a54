// Claude Code as a program for the checks: how it is run against a model that is played, a host in place of a person, and
// what must hold however it is connected.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { CHANGES, STEPS, TOOLS, changesIn, check } from "./conversation.mjs";
import { printed, runToEnd, settle } from "./home.mjs";
import { startModel } from "./model.mjs";
import { MARK, declared } from "./relay.mjs";

const CLAUDE = fileURLToPath(new URL("node_modules/@anthropic-ai/claude-code-linux-x64/claude", import.meta.url));
export const PREFIX = "mcp__truedy__";
/** All tools of ours, in general. */
export const ALLOWED = "mcp__truedy";
/** Where its documentation says that it cuts instructions; the version at hand does so at twice as many. */
const CUT = 2048;
const STREAMS = ["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];
export const PURPOSE = "Get us a number, and give it back.";

/** A home, a model that plays the script, and a way to run it. */
export async function stage(program, name, script, { env = {}, ...options } = {}) {
  console.log(`Claude Code, ${name}`);
  const place = settle(program, `claude-code-${name}`, options);
  const model = await startModel(script);
  const variables = {
    ...place.env,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "none",
    // It speaks to nobody but the model that is played.
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_TELEMETRY: "1",
    ...env,
  };
  const run = (args, { env, ...host } = {}) =>
    runToEnd(CLAUDE, args, { env: { ...variables, ...env }, cwd: place.work, ...host });
  return { ...place, model, run };
}

/** The same connected over stdio, by the snippet that is printed for it. */
export async function stageStdio(program, name, script, options) {
  const made = await stage(program, name, script, options);
  const snippet = join(made.work, ".mcp.json");
  writeFileSync(snippet, printed(program, "claude-code"));
  const connected = ["--mcp-config", snippet, "--strict-mcp-config"];
  return { ...made, run: (args, host) => made.run([...args, ...connected], host) };
}

/** A host with a person: allows each tool and answers each form as the step of the conversation says. */
function person(steps) {
  const asked = [];
  const forms = [];
  const waiting = steps.filter(({ answer }) => answer).map(({ answer }) => answer);
  const answers = {
    can_use_tool: ({ tool_name: tool, input }) => {
      asked.push(tool);
      return { behavior: "allow", updatedInput: input };
    },
    elicitation: ({ message, requested_schema: schema }) => {
      forms.push({ message, fields: Object.keys(schema?.properties ?? {}) });
      const answer = waiting.shift();
      return answer === "decline" ? { action: "decline" } : { action: "accept", content: answer };
    },
  };
  const host = (event) => {
    if (event.type === "result") return "end";
    if (event.type !== "control_request") return undefined;
    const response = answers[event.request.subtype]?.(event.request) ?? {};
    return { type: "control_response", response: { subtype: "success", request_id: event.request_id, response } };
  };
  return { host, asked, forms };
}

/** All text of what a call came to, as the model is shown it. */
export function shown({ content }) {
  return typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("\n");
}

/** What the server answered to a method, the first time. */
export const answered = (exchanges, wanted) =>
  exchanges.find(({ message, answer }) => message.method === wanted && answer?.result)?.answer.result;

/** What it was told when it connected, whichever way. */
export const greeting = (exchanges) => answered(exchanges, "server/discover") ?? answered(exchanges, "initialize");

/** That it speaks this revision, and can be asked by form and by URL. */
export function checkDeclared(exchanges, revision) {
  const { version, elicitation } = declared(exchanges);
  check(`it speaks ${revision}`, version === revision, version);
  check("it says that it carries forms and pages to its user", `${Object.keys(elicitation ?? {}).sort()}` === "form,url", elicitation);
}

/** At the start: every name, and the instructions uncut. */
export function checkStart(requests, exchanges) {
  const first = JSON.stringify(requests.find(({ tools }) => tools?.length));
  const tools = answered(exchanges, "tools/list").tools.map(({ name }) => name);
  const unnamed = tools.filter((name) => !first.includes(PREFIX + name));
  check(`the model is told of all ${TOOLS} tools at the start`, tools.length === TOOLS && unnamed.length === 0, unnamed);
  const { instructions } = greeting(exchanges);
  const told = first.includes(JSON.stringify(instructions).slice(1, -1));
  check("and of the server's instructions, whole", instructions.length > 0 && told, instructions);
  const size = Buffer.byteLength(instructions);
  check(`which have ${size} bytes and leave room up to ${CUT}`, size < CUT, size);
}

/** Nothing of any `_meta` has come to the model, though there was something in each. */
export function checkMark(requests) {
  check("it never sees what is in _meta", requests.length > 0 && !JSON.stringify(requests).includes(MARK));
}

/** The whole conversation with a person, however it is connected; gives what the host was asked and what the client sent. */
export async function converse({ run, model, ledger, exchanges }, revision) {
  const { host, asked, forms } = person(STEPS);
  const opening = { type: "user", message: { role: "user", content: PURPOSE } };
  const ran = await run(["-p", ...STREAMS, "--permission-prompt-tool", "stdio", "--allowedTools", ALLOWED], { opening, host });
  check("comes to its end", ran.code === 0, ran);

  const { requests, results } = model.seen;
  for (const [index, step] of STEPS.entries()) {
    const text = results[index] ? shown(results[index]) : "";
    const right =
      (results[index]?.is_error ?? false) === (step.refused ?? false) &&
      // What follows a declined question is retold without quotation marks.
      new RegExp(`\\bstatus\\W+${step.status}\\b`).test(text) &&
      (!step.shows || text.includes(step.shows)) &&
      (!step.lacks || !text.includes(step.lacks)) &&
      (!step.field || text.includes(`"field":"${step.field}"`));
    check(`the model is shown: ${step.what}`, right, results[index]);
  }
  const grave = STEPS.filter(({ tool }) => /^(purchase|release)_/.test(tool)).map(({ tool }) => PREFIX + tool);
  check("the person is asked for leave before each purchase and release, though allowed in general", `${asked}` === `${grave}`, asked);
  const questions = STEPS.filter(({ answer }) => answer);
  check("the person is asked what the server asks", forms.length === questions.length, forms);

  const seen = exchanges();
  const calls = seen.filter(({ message }) => message.method === "tools/call");
  const again = calls.filter(({ message }) => message.params.inputResponses && message.params.requestState);
  const openly = seen.filter(({ from, message }) => from === "server" && message.method === "elicitation/create");
  const modern = revision >= "2026-07-28";
  check(
    modern ? "each answer comes back in a second call, with the state" : "each question comes while its call is open",
    again.length === (modern ? questions.length : 0) && openly.length === (modern ? 0 : questions.length),
    { again, openly },
  );
  check("it calls as often as the model asks, and once more for each such answer", calls.length === STEPS.length + again.length, calls.length);
  checkDeclared(seen, revision);
  checkStart(requests, seen);
  checkMark(requests);
  const changes = changesIn(ledger);
  check("Truedy saw one purchase and one release", `${changes}` === `${CHANGES}`, changes);
}
