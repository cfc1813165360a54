// Claude Code as a program for the checks: how it is run against a model that is played, a host in place of a person, and
// what must hold however it is connected.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { CHANGES, STEPS, TOOLS, changesIn, check } from "./conversation.mjs";
import { printed, runToEnd, settle } from "./home.mjs";
import { startModel } from "./model.mjs";
import { MARK, declared } from "./relay.mjs";
import { until } from "./server.mjs";

export const CLAUDE = fileURLToPath(new URL("node_modules/@anthropic-ai/claude-code-linux-x64/claude", import.meta.url));
export const PREFIX = "mcp__truedy__";
/** All tools of ours, in general. */
export const ALLOWED = "mcp__truedy";
/** Where its documentation says that it cuts instructions; the version at hand does so at twice as many. */
const CUT = 2048;
/** It speaks to nobody but the model that is played. */
export const QUIET = { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1", DISABLE_TELEMETRY: "1" };
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
    ...QUIET,
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
  return { host: answering(answers), asked, forms };
}

/** A host that answers the requests of Claude Code, each kind by a function. */
function answering(answers) {
  return async (event) => {
    if (event.type === "result") return "end";
    if (event.type !== "control_request") return undefined;
    const response = (await answers[event.request.subtype]?.(event.request)) ?? {};
    return { type: "control_response", response: { subtype: "success", request_id: event.request_id, response } };
  };
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

// --- a carrier's keys --------------------------------------------------------------------------------------------

/** An import for which nothing is said of keys. */
export const IMPORT = { tool: "import_number", arguments: { phone_number: "+14155550188", provider_type: "telnyx" } };
const IMPORTS = ["POST /api/public/v1/telephony/numbers/import"];
/** What the person enters on the page, and nowhere else. */
const KEY = "KEY0123456789ABCDEF_entered_by_a_person";
const PERSON = "a person's browser";

/** A person with a browser: opens the page, with the token of the client as the password, and enters the key there. */
async function enter(url, token) {
  const headers = { "user-agent": PERSON, origin: new URL(url).origin };
  if (token) {
    const stranger = await fetch(url, { headers });
    const asks = stranger.headers.get("www-authenticate") ?? "";
    check("a browser is asked for the token first", stranger.status === 401 && asks.startsWith("Basic "), [stranger.status, asks]);
    headers.authorization = `Basic ${btoa(`anybody:${token}`)}`;
  }
  const page = await fetch(url, { headers });
  const html = await page.text();
  const csrf = html.match(/name="csrf" value="(\w+)"/)?.[1];
  check("the page comes, with its form", page.status === 200 && csrf !== undefined, html);
  const body = new URLSearchParams({ csrf, api_key: KEY, do: "import" });
  const taken = await fetch(url, { method: "POST", headers, body });
  const told = await taken.text();
  check("it takes the key", taken.status === 200 && told.includes("The keys were taken"), told);
}

/** An import whose key a person enters on a page: "before" the client is told that they agree to open it, or "after". */
export async function importByPage({ run, model, ledger, exchanges, heard, logged, token, scratch }, revision, opens) {
  const asked = [];
  let entered;
  const elicitation = async (request) => {
    asked.push(request);
    const told = () => heard().includes('"action":"accept"');
    if (opens === "before") await enter(request.url, token);
    else entered = until("the client says that its user agrees", told).then(() => enter(request.url, token));
    return { action: "accept" };
  };
  const opening = { type: "user", message: { role: "user", content: PURPOSE } };
  const ran = await run(["-p", ...STREAMS, "--permission-prompt-tool", "stdio", "--allowedTools", ALLOWED], { opening, host: answering({ elicitation }) });
  await entered;
  check("comes to its end", ran.code === 0, ran);
  checkDeclared(exchanges(), revision);

  const { mode, message, url } = asked[0] ?? {};
  check("the person is asked to open one page", asked.length === 1 && mode === "url" && /^http:\S+\/enter\/\w+$/.test(url), asked);
  const { phone_number: number, provider_type: provider } = IMPORT.arguments;
  check("and told what for", message?.replaceAll(" ", "").includes(number) && message.toLowerCase().includes(provider), message);
  const [result] = model.seen.results;
  check("the model is shown that the number is imported", !result?.is_error && /"status":"imported"/.test(shown(result)), result);
  const changes = changesIn(ledger);
  check("Truedy saw the import, once", `${changes}` === `${IMPORTS}`, changes);
  check("and a key with it", readFileSync(ledger, "utf8").includes('"api_key":"[secret]"'), readFileSync(ledger, "utf8"));

  const told = JSON.stringify(model.seen.requests);
  check("the key is in no request to the model", told.includes(number) && !told.includes(KEY));
  check("nor is the address of the page", !told.includes("/enter/"));
  check("it is in nothing between client and server", heard().includes(url) && !heard().includes(KEY));
  check("it is in nothing that the server logs, though it is to log all", logged().includes('"message":"changing"') && !logged().includes(KEY), logged());
  check("the client says it nowhere", !ran.said.includes(KEY), ran.said);
  const files = readdirSync(scratch, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const holding = files.map(({ parentPath, name }) => join(parentPath, name)).filter((file) => readFileSync(file).includes(KEY));
  check("no file has it", files.length > 0 && holding.length === 0, holding);
}

/** The same where there is nobody to open a page. */
export async function importUnattended({ run, model, ledger, exchanges }) {
  const ran = await run(["-p", PURPOSE, "--allowedTools", ALLOWED]);
  check("comes to its end", ran.code === 0, ran);
  const names = exchanges().filter(({ message }) => message.method === "tools/call").map(({ message }) => message.params.name);
  check("the server is asked for the import", names.length > 0 && names.every((name) => name === IMPORT.tool), names);
  const [result] = model.seen.results;
  const text = result ? shown(result) : "";
  check("the model is told that nothing was imported, and why", result?.is_error === true && /\bstatus\W+human_declined\b/.test(text) && text.includes("Nothing was imported. The client reported that the user did not open the page."), result);
  check("and of carrier profiles", /carrier profile/i.test(text), text);
  const changes = changesIn(ledger);
  check("Truedy saw no change", changes.length === 0, changes);
}

/** Whoever asked for the page of a relay was the person. */
export function checkPages({ pages }) {
  const others = pages.filter(({ headers }) => headers["user-agent"] !== PERSON);
  check("nobody but the person opened the page", pages.length > 0 && others.length === 0, others);
}
