// Claude Code on stdio, by the snippet that is printed for it: the conversation in both eras, what the model sees of tools
// and of the biggest answers, and what each mode of permission lets through when nobody can be asked.

import { isDeepStrictEqual } from "node:util";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { biggest, checkBiggest, startAccount } from "./account.mjs";
import {
  ALLOWED,
  IMPORT,
  PREFIX,
  PURPOSE,
  answered,
  checkDeclared,
  checkMark,
  checkStart,
  converse,
  importByPage,
  importUnattended,
  shown,
  stageStdio,
} from "./claude.mjs";
import { INFO, STEPS, changesIn, check, finish, folder, part, serve } from "./conversation.mjs";

const [PROGRAM] = process.argv.slice(2);
/** What it speaks where nothing is said of it. */
const BY_ITSELF = "2026-07-28";
/** What a user types after a slash command, for what its prompt requires. */
const VALUES = { provider: "twilio", number: "+14155550123" };

/** A stage for as long as `does` takes. */
async function on(name, script, options, does) {
  await part(async () => {
    const made = await stageStdio(PROGRAM, name, script, options);
    try {
      await does(made);
    } finally {
      made.model.close();
    }
  });
}

async function conversations() {
  for (const [negotiation, revision] of [["legacy", "2025-11-25"], ["auto", "2026-07-28"]]) {
    const env = { MCP_PROTOCOL_NEGOTIATION: negotiation };
    await on(`on stdio, ${revision}, with a person`, STEPS, { env }, (made) => converse(made, revision));
  }
}

/** The tools as the model gets them when it has looked them all up, and the biggest answers, from a large account. */
async function whole() {
  await part(async () => {
    const account = await startAccount(PROGRAM, folder("claude-code-account"));
    try {
      const calls = biggest(account);
      const look = { own: "ToolSearch", arguments: { query: "+truedy", max_results: 100 } };
      await on("on stdio, a large account", [look, ...calls], { account }, async ({ run, model, exchanges }) => {
        const ran = await run(["-p", PURPOSE, "--allowedTools", ALLOWED]);
        check("comes to its end", ran.code === 0, ran);
        const seen = exchanges();
        checkDeclared(seen, BY_ITSELF);
        checkStart(model.seen.requests, seen);
        checkTools(model.seen.requests.at(-1).tools, answered(seen, "tools/list").tools);
        checkBiggest(calls, model.seen.results.slice(1).map(shown), seen);
        checkMark(model.seen.requests);
      });
    } finally {
      await account.stop();
    }
  });
}

function checkTools(shown, listed) {
  const offered = new Map(shown.map((tool) => [tool.name, tool]));
  const wanted = listed.map(({ name, description, inputSchema }) => [PREFIX + name, description, inputSchema]);
  const missing = wanted.filter(([name]) => !offered.has(name)).map(([name]) => name);
  check("a search for the server finds every tool", wanted.length > 0 && missing.length === 0, missing);
  const cut = wanted.filter(([name, description]) => offered.get(name)?.description !== description);
  check("each description is uncut", cut.length === 0, cut);
  const same = (one, other) => isDeepStrictEqual({ required: [], ...one }, { required: [], ...other });
  const bent = wanted.filter(([name, , schema]) => !same(offered.get(name)?.input_schema, schema));
  check("each schema is as the server gave it", bent.length === 0, bent);
}

/** What the hints and our own mark bring about where nobody can be asked: which tools of the script the server gets to see. */
async function permissions() {
  const number_id = "+14155550123";
  const script = [
    { tool: "list_numbers", arguments: {} },
    { tool: "unassign_number", arguments: { number_id, assignment_type: "inbound" } },
    { tool: "purchase_number", arguments: { phone_number: "+14155550100" } },
    { tool: "release_number", arguments: { number_id, confirm: true } },
  ];
  const modes = [
    { what: "without leave nothing is called", args: [], called: "" },
    { what: "a plan may read, and change nothing", args: ["--permission-mode", "plan", "--allowedTools", ALLOWED], called: "list_numbers" },
    {
      what: "a general leave is none to buy or release",
      args: ["--permission-mode", "dontAsk", "--allowedTools", ALLOWED],
      called: "list_numbers,unassign_number",
    },
    // As root it bypasses only where it is told that it is in a sandbox.
    {
      what: "nor is a bypass of all permissions",
      args: ["--dangerously-skip-permissions"],
      called: "list_numbers,unassign_number",
      env: { IS_SANDBOX: "1" },
    },
  ];
  for (const { what, args, called, env } of modes) {
    await on(["on stdio, unattended", ...args].join(" "), script, { env }, async ({ run, model, ledger, exchanges }) => {
      const ran = await run(["-p", PURPOSE, ...args]);
      check("comes to its end", ran.code === 0, ran);
      const names = exchanges().filter(({ message }) => message.method === "tools/call").map(({ message }) => message.params.name);
      check(`${what}: ${called || "none"}`, `${names}` === called, { names, results: model.seen.results });
      const refused = model.seen.results.filter(({ is_error }) => is_error).length;
      check("the model is told of each refusal", refused === script.length - names.length, model.seen.results);
      const grave = changesIn(ledger).filter((change) => /purchase|DELETE/.test(change));
      check("nothing is bought or released", grave.length === 0, grave);
    });
  }
}

/** A carrier's key from a page on loopback, while the call waits; and nobody to enter it. */
async function keys() {
  const env = { MCP_PROTOCOL_NEGOTIATION: "legacy" };
  await on("on stdio, a key from a page", [IMPORT], { env, logs: "trace" }, (made) => importByPage(made, "2025-11-25", "after"));
  await on("on stdio, a key and nobody to enter it", [IMPORT], { env }, importUnattended);
}

/** What is offered beside tools: asked of the server first, so that this holds for whatever it offers. */
async function beside() {
  const { prompts, resources } = await offered();
  console.log(`        the server offers ${prompts.length} prompts and ${resources.length} resources`);
  for (const { name, arguments: wanted = [] } of prompts) {
    const values = wanted.filter(({ required }) => required).map(({ name }) => VALUES[name] ?? name);
    await on(`on stdio, the prompt ${name}`, [], {}, async ({ run, model, exchanges }) => {
      const ran = await run(["-p", [`/${PREFIX}${name}`, ...values].join(" ")]);
      check("comes to its end", ran.code === 0, ran);
      const texts = answered(exchanges(), "prompts/get")?.messages.map(({ content }) => content.text) ?? [];
      const told = JSON.stringify(model.seen.requests);
      const missing = texts.filter((text) => !told.includes(JSON.stringify(text).slice(1, -1)));
      check("the slash command gives the model our text, whole", texts.length > 0 && missing.length === 0, missing);
      checkMark(model.seen.requests);
    });
  }
  for (const { uri } of resources) {
    const read = { own: "ReadMcpResourceTool", arguments: { server: "truedy", uri } };
    await on(`on stdio, the resource ${uri}`, [read], {}, async ({ run, model, exchanges }) => {
      const ran = await run(["-p", PURPOSE, "--allowedTools", "ReadMcpResourceTool"]);
      check("comes to its end", ran.code === 0, ran);
      const texts = answered(exchanges(), "resources/read")?.contents.map(({ text }) => text) ?? [];
      const told = JSON.parse(shown(model.seen.results[0])).contents?.map(({ text }) => text);
      check("the model reads it whole", texts.length > 0 && isDeepStrictEqual(told, texts), model.seen.results);
      checkMark(model.seen.requests);
    });
  }
}

/** All prompts and resources of the server, by a client of the official SDK. */
async function offered() {
  const client = new Client(INFO, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StdioClientTransport(serve("--ephemeral")));
  const { prompts, resources } = client.getServerCapabilities();
  const listed = {
    prompts: prompts ? (await client.listPrompts()).prompts : [],
    resources: resources ? (await client.listResources()).resources : [],
  };
  await client.close();
  return listed;
}

await conversations();
await whole();
await permissions();
await keys();
await part(beside);
finish();
