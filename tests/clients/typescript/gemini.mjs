// Gemini CLI, by the snippets that are printed for it: connected where its folder is trusted, and what a model that is played
// sees of tools and of the biggest answers. It gives its model the text of an answer alone, and it can ask its user nothing.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { biggest, startAccount } from "./account.mjs";
import { TOOLS, changesIn, check, finish, folder, part } from "./conversation.mjs";
import { startModel, toolsIn } from "./generate.mjs";
import { printed, runToEnd, settle } from "./home.mjs";
import { MARK, startRelay } from "./relay.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const GEMINI = fileURLToPath(new URL("node_modules/@google/gemini-cli/bundle/gemini.js", import.meta.url));
/** With a model that is named, none is asked which model to take. */
const MODEL = "gemini-3.1-pro-preview";
/** Longer texts are kept in a file, and the model sees their ends. */
const CUT = 40_000;
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";

/** A home with the printed snippet in its settings, and a way to run it there. */
function home(name, { snippet = [], trusted = true, env = {}, settings = {}, ...options } = {}) {
  console.log(`Gemini CLI, ${name}`);
  const place = settle(PROGRAM, `gemini-${name}`, options);
  const kept = join(place.home, ".gemini");
  mkdirSync(kept);
  const quiet = { privacy: { usageStatisticsEnabled: false }, telemetry: { enabled: false }, general: { enableAutoUpdate: false } };
  const text = printed(PROGRAM, "gemini", ...snippet);
  writeFileSync(join(kept, "settings.json"), JSON.stringify({ ...quiet, ...settings, ...JSON.parse(text) }));
  if (trusted) writeFileSync(join(kept, "trustedFolders.json"), JSON.stringify({ [place.work]: "TRUST_FOLDER" }));
  const variables = { ...place.env, TMPDIR: place.scratch, NO_COLOR: "1", ...env };
  const run = (args) => runToEnd(process.execPath, [GEMINI, ...args], { env: variables, cwd: place.work });
  return { ...place, run };
}

async function connects() {
  const untrusted = await home("stdio, in a folder that is not trusted", { trusted: false }).run(["mcp", "list"]);
  check("knows the server and leaves it alone", /truedy: truedy-mcp stdio \(stdio\) - Disabled/.test(untrusted.said), untrusted);
  const trusted = await home("stdio, in a trusted folder").run(["mcp", "list"]);
  check("says that it is connected", /truedy: truedy-mcp stdio \(stdio\) - Connected/.test(trusted.said), trusted);

  const scratch = folder("gemini-http");
  const server = await serveHttp(PROGRAM, scratch, ["--sandbox", "--ephemeral", "--drain-seconds", "0"]);
  const relay = await startRelay(server.url);
  try {
    const snippet = ["--http", "--url", relay.url];
    const { run } = home("HTTP", { snippet, env: { TRUEDY_MCP_TOKEN: server.token } });
    const listed = await run(["mcp", "list"]);
    check("says that it is connected", /truedy: \S+ \(http\) - Connected/.test(listed.said), listed);
    const bearers = new Set(relay.messages.map(({ headers }) => headers.authorization));
    check("the token comes from the environment", bearers.size === 1 && bearers.has(`Bearer ${server.token}`), [...bearers]);
  } finally {
    relay.close();
    const ended = await server.stop();
    check("the server ends in order", ended === 0, { ended, said: server.said() });
  }
}

/** A home with a model that plays this script, run once with these arguments. */
async function asks(name, script, args, options) {
  const model = await startModel(script);
  try {
    const { run, exchanges, ledger } = home(name, {
      settings: { security: { auth: { selectedType: "gemini-api-key" } } },
      env: { GEMINI_API_KEY: "none", GOOGLE_GEMINI_BASE_URL: model.url },
      ...options,
    });
    const ran = await run(["-m", MODEL, "-p", "Get us a number.", ...args]);
    check("comes to its end", ran.code === 0 && model.seen.requests.length > 0, ran);
    const seen = exchanges();
    checkMark(model.seen.requests, called(seen));
    return { ...model.seen, exchanges: seen, changes: changesIn(ledger) };
  } finally {
    model.close();
  }
}

const called = (exchanges) => exchanges.filter(({ message }) => message.method === "tools/call");

/**
 * Of an answer that is an error it shows its model everything, `_meta` too. So there must be nothing in it: what our server
 * says there is its own name.
 */
function checkMark(requests, calls) {
  const withoutErrors = JSON.stringify(requests, (key, value) => (key === "functionResponse" && value.response.error ? null : value));
  check("nothing in _meta reaches the model, but of errors", requests.length > 0 && !withoutErrors.includes(MARK));
  const errors = calls.map(({ answer }) => answer?.result ?? {}).filter(({ isError }) => isError);
  const said = errors.flatMap(({ _meta = {} }) => Object.keys(_meta));
  check("and in that of errors the server says at most who it is", said.every((key) => key === SERVER_INFO), said);
}

async function whole() {
  const account = await startAccount(PROGRAM, folder("gemini-account"));
  try {
    const calls = biggest(account);
    const { requests, results, exchanges } = await asks("a large account", calls, ["--yolo"], { account });
    const listed = exchanges.find(({ message }) => message.method === "tools/list").answer.result.tools;
    const offered = new Map(toolsIn(requests[0]).map((tool) => [tool.name, tool]));
    check(`the model is offered all ${TOOLS} tools`, listed.length === TOOLS && listed.every(({ name }) => offered.has(name)), [...offered.keys()]);
    const cut = listed.filter(({ name, description }) => !offered.get(name)?.description.includes(description));
    check("each description is uncut", cut.length === 0, cut);
    const { instructions } = exchanges.find(({ message }) => message.method === "initialize").answer.result;
    const told = JSON.stringify(requests[0]).includes(JSON.stringify(instructions).slice(1, -1));
    check("the model is told the server's instructions, whole", instructions.length > 0 && told, instructions);
    for (const [index, { tool }] of calls.entries()) {
      const answer = called(exchanges).find(({ message }) => message.params.name === tool)?.answer.result;
      const text = answer?.content[0].text ?? "";
      const shown = results[index]?.output ?? "";
      check(`the text of ${tool} reaches the model whole: ${text.length} of ${CUT} characters`, text && shown.includes(text), { text, shown });
    }
  } finally {
    await account.stop();
  }
}

async function unattended() {
  const phone_number = "+14155550100";
  const token = (results) => JSON.stringify(results.at(-1)).match(/confirmation_token\W+([\w.~-]+)/)?.[1];
  const script = [
    { tool: "list_numbers", arguments: {} },
    { tool: "purchase_number", arguments: { phone_number } },
    { tool: "purchase_number", arguments: (results) => ({ phone_number, confirm: true, confirmation_token: token(results) }) },
  ];
  const without = await asks("unattended", script.slice(0, 2), []);
  const offered = toolsIn(without.requests[0]);
  check("without leave it offers the model no tool of ours, and calls none", offered.length + called(without.exchanges).length === 0, without.results);
  const human = await asks("with every leave, where a person must be asked", script, ["--yolo"], { options: ["--gate", "human"] });
  const statuses = called(human.exchanges).map(({ answer }) => answer.result.structuredContent.status);
  check("a purchase ends where a person would be asked", `${statuses}` === "ok,human_unavailable,human_unavailable", statuses);
  check("and the model is told so", /Nothing was bought/.test(JSON.stringify(human.results[2])), human.results);
  check("Truedy saw no change", human.changes.length + without.changes.length === 0, human.changes);
}

await part(connects);
await part(whole);
await part(unattended);
finish();
