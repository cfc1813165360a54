// Codex on stdio, by the snippet that is printed for it, with a model that is played: what the model sees of tools and of
// the biggest answers, which tools run when nobody can be asked, and that what it answers by itself buys and releases
// nothing. Its home is in its folder, since it keeps no helpers in a temporary one.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

import { biggest, checkBiggest, startAccount } from "./account.mjs";
import { TOOLS, changesIn, check, finish, folder, part } from "./conversation.mjs";
import { printed, runToEnd, settle } from "./home.mjs";
import { MARK, declared, startRelay } from "./relay.mjs";
import { startModel, toolsIn } from "./responses.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const CODEX = fileURLToPath(
  new URL("node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex", import.meta.url),
);
/** Of the models that it knows, one for which it lets tools be searched. */
const MODEL = "gpt-5.5";
/** From here on it compacts a schema, descriptions first. */
const COMPACTED = 5000;
/** What it leaves out of schemas; our descriptions say the same in words. */
const STRIPPED = ["pattern", "minimum", "maximum", "minLength", "maxLength"];
const IMPORTED = { phone_number: "+14155550188", provider_type: "telnyx", api_key: "KEY0123456789ABCDEF0123456789" };
/** The same with the keys left to its user. */
const KEYLESS = { phone_number: "+14155550188", provider_type: "telnyx" };
const FULL_ACCESS = ["--dangerously-bypass-approvals-and-sandbox"];

/** Runs Codex once, unattended, through this script, and gives all that was seen. */
async function exec(name, script, { account, http, args = [] } = {}) {
  console.log(`Codex, ${name}`);
  const place = settle(PROGRAM, `codex-${name}`, { account });
  const model = await startModel(script);
  const settings = `
model = "${MODEL}"
model_provider = "played"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.played]
name = "played"
base_url = "${model.url}"
wire_api = "responses"
env_key = "PLAYED_KEY"
`;
  mkdirSync(join(place.home, ".codex"));
  const snippet = http
    ? printed(PROGRAM, "codex", "--http", "--url", http.url)
    : printed(PROGRAM, "codex").replace("your key", place.env.TRUEDY_API_KEY);
  writeFileSync(join(place.home, ".codex", "config.toml"), `${settings}${snippet}`);
  const { TRUEDY_API_KEY: _, ...env } = { ...place.env, PLAYED_KEY: "none", ...http?.env };
  try {
    // A key of the snippet that it does not know is a mistake.
    const fixed = ["exec", "--strict-config", "--skip-git-repo-check", ...args, "Get us a number, and give it back."];
    const ran = await runToEnd(CODEX, fixed, { env, cwd: place.work });
    check("comes to its end", ran.code === 0, ran);
    const exchanges = (http ?? place).exchanges();
    check("nothing in _meta reaches the model", exchanges.length > 0 && !JSON.stringify(model.seen.requests).includes(MARK));
    return { exchanges, ...model.seen, changes: changesIn((http ?? place).ledger) };
  } finally {
    model.close();
  }
}

/** The text of what a call came to, as the model is shown it, without the clock before it. */
function shown(output) {
  const text = typeof output === "string" ? output : (output ?? []).map(({ text }) => text).join("\n");
  return text.replace(/^Wall time: [\d.]+ seconds\nOutput:\n/, "");
}

const called = (exchanges) => exchanges.filter(({ message }) => message.method === "tools/call").map(({ message }) => message.params.name);

function stripped(schema) {
  if (Array.isArray(schema)) return schema.map(stripped);
  if (schema === null || typeof schema !== "object") return schema;
  return Object.fromEntries(Object.entries(schema).filter(([key]) => !STRIPPED.includes(key)).map(([key, value]) => [key, stripped(value)]));
}

/** Every tool, as Codex gives it to the model once it was found. */
function checkTools({ requests, exchanges }) {
  const listed = exchanges.find(({ message }) => message.method === "tools/list").answer.result.tools;
  const offered = new Map(requests.flatMap(toolsIn).map((tool) => [tool.name, tool]));
  const missing = listed.filter(({ name }) => !offered.has(name)).map(({ name }) => name);
  check(`the model gets to see all ${TOOLS} tools`, listed.length === TOOLS && missing.length === 0, missing);
  const cut = listed.filter(({ name, description }) => offered.get(name)?.description !== description);
  check("each description is uncut", cut.length === 0, cut);
  const big = listed.filter(({ inputSchema }) => JSON.stringify(inputSchema).length > COMPACTED).map(({ name }) => name);
  check("no schema is so big that it would be compacted", big.length === 0, big);
  const same = (one, other) => isDeepStrictEqual({ required: [], ...one }, { required: [], ...other });
  const bent = listed.filter(({ name, inputSchema }) => !same(offered.get(name)?.parameters, stripped(inputSchema)));
  check(`each schema is as the server gave it, but for ${STRIPPED.join(", ")}`, bent.length === 0, bent);
}

/** The tools, found as a person would word it, and the biggest answers, from a large account. */
async function whole() {
  const account = await startAccount(PROGRAM, folder("codex-account"));
  try {
    const calls = biggest(account);
    // The first search is for everything.
    const script = calls.map((call, index) => (index === 0 ? { ...call, query: "truedy number agent", limit: 100 } : call));
    const seen = await exec("a large account", script, { account });
    checkTools(seen);
    checkBiggest(calls, seen.results.map(shown), seen.exchanges);
    const { instructions } = seen.exchanges.find(({ message }) => message.method === "initialize").answer.result;
    const told = JSON.stringify(seen.requests).includes(JSON.stringify(instructions).slice(1, -1));
    check("the model is told the server's instructions, whole", instructions.length > 0 && told, instructions);
  } finally {
    await account.stop();
  }
}

/** Each word of a user leads to its tool, by the search of Codex, and what the hints bring about: reading runs, the rest does not. */
async function unattended() {
  const number_id = "+14155550123";
  const direction = { number_id, assignment_type: "inbound" };
  const reads = [
    { tool: "list_numbers", arguments: {}, query: "which numbers do we have" },
    { tool: "search_numbers", arguments: { area_code: "415" }, query: "find a number in San Francisco" },
    { tool: "list_agents", arguments: {}, query: "which bots do we have" },
    { tool: "get_agent_numbers", arguments: { agent_id: "Front desk" }, query: "which numbers does Front desk answer" },
    { tool: "get_webhook_url", arguments: { agent_id: "Front desk" }, query: "webhook URL of the agent" },
    { tool: "list_credentials", arguments: {}, query: "which carrier credentials are stored" },
    { tool: "list_operations", arguments: {}, query: "what was bought today" },
  ];
  const acts = [
    { tool: "purchase_number", arguments: { phone_number: "+14155550100" }, query: "buy a number" },
    { tool: "assign_number", arguments: { ...direction, agent_id: "Front office" }, query: "let the bot answer calls to this number" },
    { tool: "unassign_number", arguments: direction, query: "disconnect the number from the bot" },
    { tool: "release_number", arguments: { number_id, confirm: true }, query: "get rid of a number" },
    { tool: "import_number", arguments: IMPORTED, query: "bring our own number from Telnyx" },
    { tool: "import_number", arguments: KEYLESS, query: "import the number that we have at Telnyx" },
  ];
  const script = [...reads, ...acts];
  const { exchanges, results, found, changes } = await exec("unattended", script);
  for (const [index, { tool, query }] of script.entries()) {
    check(`"${query}" finds ${tool}`, found[index]?.includes(tool), found[index]);
  }
  const names = called(exchanges);
  check("what reads runs unasked, and nothing else", `${names}` === `${reads.map(({ tool }) => tool)}`, { names, results });
  const refused = results.slice(reads.length).filter((output) => shown(output).includes("requires approval"));
  check("the model is told so for each of the others", refused.length === acts.length, results);
  check("Truedy saw no change", changes.length === 0, changes);
}

/** Where Codex may do everything and answers questions by itself: it does not come to an answer that the server would take. */
async function answersByItself(name, era, options) {
  const script = [
    { tool: "purchase_number", arguments: { phone_number: "+14155550100" } },
    // It is in no use, so that only the question stands before its release.
    { tool: "release_number", arguments: { number_id: "+442079460123", confirm: true } },
    { tool: "import_number", arguments: IMPORTED },
    { tool: "import_number", arguments: KEYLESS },
  ];
  const { requests, exchanges, results, changes } = await exec(name, script, options);
  const { version, elicitation } = declared(exchanges);
  check(`it speaks ${era}`, version === era, version);
  check("it says that it carries forms and pages to its user", `${Object.keys(elicitation ?? {}).sort()}` === "form,url", elicitation);
  const names = [...new Set(called(exchanges))];
  const wanted = [...new Set(script.map(({ tool }) => tool))];
  check("it asks the server for each, without approval", `${names}` === `${wanted}` && results.length === script.length, names);
  const declined = results.slice(0, -1).filter((output) => /"status":"human_declined"/.test(shown(output)));
  check("each is refused, since nobody said yes", declined.length === script.length - 1, results);
  // Pages came with 2025-11-25: before, what Codex says of them is not relied on.
  const pages = exchanges.filter(({ from, message, answer }) => (from === "server" ? message.params : answer?.result?.inputRequests?.keys?.params)?.mode === "url");
  const pageless = era < "2025-11-25";
  check(`it is asked to show ${pageless ? "no page" : "one page"} for keys`, pages.length === (pageless ? 0 : 1), pages);
  const told = shown(results.at(-1));
  const status = pageless ? "invalid_argument" : "human_declined";
  check("without a key nothing is imported", told.includes(`"status":"${status}"`) && told.includes("Nothing was imported."), told);
  check("and the model is told of carrier profiles", /carrier profile/i.test(told), told);
  check("the model never sees the address of a page", !JSON.stringify(requests).includes("/enter/"));
  check("Truedy saw no change", changes.length === 0, changes);
}

/** The same over HTTP, by the snippet for that, with the token from the environment. */
async function answersByItselfOverHttp(era, args) {
  const scratch = folder(`codex-http-${era}`);
  const ledger = join(scratch, "ledger.jsonl");
  const served = ["--sandbox", "--ephemeral", "--ledger", ledger, "--drain-seconds", "0", "--sessions"];
  const server = await serveHttp(PROGRAM, scratch, served);
  const relay = await startRelay(server.url);
  try {
    const http = { ...relay, ledger, env: { TRUEDY_MCP_TOKEN: server.token } };
    await answersByItself(`full access, HTTP, ${era}`, era, { http, args: [...FULL_ACCESS, ...args] });
    const failed = relay.messages.filter(({ status, method }) => status >= 400 && method === "POST");
    check("the server refuses none of its requests", failed.length === 0, failed);
  } finally {
    relay.close();
    const ended = await server.stop();
    check("the server ends in order", ended === 0, { ended, said: server.said() });
  }
}

await part(whole);
await part(unattended);
await part(() => answersByItself("full access, stdio", "2025-06-18", { args: FULL_ACCESS }));
await part(() => answersByItselfOverHttp("2025-06-18", []));
await part(() => answersByItselfOverHttp("2026-07-28", ["--enable", "mcp_2026_07_28"]));
finish();
