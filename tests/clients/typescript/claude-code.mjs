// Claude Code over Streamable HTTP, as the landing page says to connect it: the token comes from the environment, a model
// that is played asks for the tools, and a host in place of a person allows them and answers what the server asks. Then the
// same unattended, where nobody can allow anything.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { CHANGES, STEPS, TOOLS, changesIn, check, finish, folder } from "./conversation.mjs";
import { startModel } from "./model.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const CLAUDE = fileURLToPath(new URL("node_modules/@anthropic-ai/claude-code-linux-x64/claude", import.meta.url));
const REVISION = "2026-07-28";
const ALLOWED = "mcp__truedy";
const PATIENCE = 120_000;

/** Passes on what goes to the server, and remembers each message with its headers and its answer. */
async function startRelay(server) {
  const messages = [];
  const relay = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const noted = { headers: request.headers, method: request.method, text: "" };
    if (body.length) noted.message = JSON.parse(body.toString());
    messages.push(noted);
    const { method, url: path, headers } = request;
    const passed = ask({ host: server.hostname, port: server.port, method, path, headers }, (answer) => {
      noted.status = answer.statusCode;
      response.writeHead(answer.statusCode, answer.headers);
      answer.on("data", (chunk) => (noted.text += chunk));
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    response.on("close", () => passed.destroy());
    passed.end(body);
  });
  await new Promise((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const close = () => {
    relay.close();
    relay.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${relay.address().port}/mcp`, messages, close };
}

/** Runs it with these arguments; `host` is given each line that it says, and answers to it with what it returns. */
async function claude(env, cwd, args, opening, host) {
  const child = spawn(CLAUDE, args, { env, cwd, stdio: [opening ? "pipe" : "ignore", "pipe", "pipe"] });
  const tooLong = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  let said = "";
  child.stderr.on("data", (chunk) => (said += chunk));
  const send = (object) => child.stdin.write(`${JSON.stringify(object)}\n`);
  if (opening) send(opening);
  const read = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      said += `${line}\n`;
      const answer = host?.(JSON.parse(line));
      if (answer === "end") child.stdin.end();
      else if (answer) send(answer);
    }
  })();
  const code = await new Promise((resolve) => child.on("close", resolve));
  await read;
  clearTimeout(tooLong);
  return { code, said };
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
      forms.push({ message, fields: Object.keys(schema.properties) });
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
function shown({ content }) {
  return typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("\n");
}

/** A server, a relay before it, a model, and a home in which Claude Code is connected by the command of the landing page. */
async function stage(name, script) {
  console.log(`Claude Code, ${name}`);
  const scratch = folder(`claude-code-${name}`);
  const [home, work, ledger] = [join(scratch, "home"), join(scratch, "work"), join(scratch, "ledger.jsonl")];
  mkdirSync(home);
  mkdirSync(work);
  const args = ["--sandbox", "--ephemeral", "--ledger", ledger, "--drain-seconds", "0"];
  const server = await serveHttp(PROGRAM, scratch, args);
  const relay = await startRelay(server.url);
  const model = await startModel(script);
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "none",
    TRUEDY_MCP_TOKEN: server.token,
    // It speaks to nobody but the model that is played.
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_TELEMETRY: "1",
  };
  const run = (args, opening, host) => claude(env, work, args, opening, host);
  const header = "Authorization: Bearer ${TRUEDY_MCP_TOKEN}";
  const added = await run(["mcp", "add", "--transport", "http", "--scope", "user", "truedy", relay.url, "--header", header]);
  check("is connected as the landing page says", added.code === 0 && !added.said.includes(server.token), added);
  const end = async () => {
    model.close();
    relay.close();
    const ended = await server.stop();
    const said = server.said();
    check("the server ends in order", ended === 0, { ended, said });
    check("and logged neither trouble nor the token", !/"(WARN|ERROR)"/.test(said) && !said.includes(server.token), said);
  };
  return { run, relay, model, ledger, token: server.token, end };
}

async function withHost() {
  const { run, relay, model, ledger, token, end } = await stage("with a person", STEPS);
  try {
    const listed = await run(["mcp", "list"]);
    check("says that it is connected", /truedy: .*Connected/.test(listed.said), listed);
    const { host, asked, forms } = person(STEPS);
    const streams = ["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];
    const opening = { type: "user", message: { role: "user", content: "Get us a number, and give it back." } };
    const ran = await run(["-p", ...streams, "--permission-prompt-tool", "stdio", "--allowedTools", ALLOWED], opening, host);
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
    const grave = STEPS.filter(({ tool }) => /^(purchase|release)_/.test(tool)).map(({ tool }) => `mcp__truedy__${tool}`);
    check("the person is asked for leave before each purchase and release, though allowed in general", `${asked}` === `${grave}`, asked);
    const questions = STEPS.filter(({ answer }) => answer);
    check("the person is asked what the server asks", forms.length === questions.length, forms);

    const calls = relay.messages.filter(({ message }) => message?.method === "tools/call");
    const rounds = calls.filter(({ message }) => message.params.inputResponses && message.params.requestState);
    check("each answer comes back in a second call, with the state", rounds.length === questions.length, rounds);
    check("it calls as often as the model asks, and once more for each answer", calls.length === STEPS.length + questions.length, calls.length);
    const modern = relay.messages.filter(({ message }) => message?.method).map(({ headers }) => headers["mcp-protocol-version"]);
    check(`it speaks ${REVISION}`, modern.length > 0 && modern.every((revision) => revision === REVISION), modern);
    const bearers = new Set(relay.messages.map(({ headers }) => headers.authorization));
    check("the token comes from the environment", bearers.size === 1 && bearers.has(`Bearer ${token}`), [...bearers]);
    const failed = relay.messages.filter(({ status }) => status >= 400);
    check("the server refuses none of its requests", failed.length === 0, failed);

    const first = JSON.stringify(requests.find(({ tools }) => tools?.length));
    const listing = relay.messages.find(({ message }) => message?.method === "tools/list");
    const tools = JSON.parse(listing.text.replace(/^[^{]*/, "")).result.tools.map(({ name }) => name);
    const unnamed = tools.filter((name) => !first.includes(`mcp__truedy__${name}`));
    check(`the model is told of all ${TOOLS} tools at the start`, tools.length === TOOLS && unnamed.length === 0, unnamed);
    const discovered = relay.messages.find(({ message }) => message?.method === "server/discover");
    const { instructions } = JSON.parse(discovered.text.replace(/^[^{]*/, "")).result;
    const told = first.includes(JSON.stringify(instructions).slice(1, -1));
    check("and of the server's instructions, whole", instructions.length > 0 && told, instructions);
    check("it never sees the token", !JSON.stringify(requests).includes(token));
    const changes = changesIn(ledger);
    check("Truedy saw one purchase and one release", `${changes}` === `${CHANGES}`, changes);
  } catch (error) {
    check("gets through", false, String(error?.stack ?? error));
  } finally {
    await end();
  }
}

async function unattended() {
  const script = STEPS.filter(({ what }) => /^(lists the numbers|buys a number)$/.test(what));
  const { run, relay, model, ledger, end } = await stage("unattended", script);
  try {
    const ran = await run(["-p", "Get us a number.", "--allowedTools", ALLOWED]);
    check("comes to its end", ran.code === 0, ran);
    const [list, purchase] = model.seen.results;
    check("reads without being asked", !list?.is_error && shown(list).includes('"status":"ok"'), list);
    check("is not let to buy, though allowed in general", purchase?.is_error === true, purchase);
    const called = relay.messages.map(({ message }) => message?.params?.name).filter(Boolean);
    check("does not even ask the server", `${called}` === "list_numbers", called);
    const changes = changesIn(ledger);
    check("Truedy saw no change", changes.length === 0, changes);
  } catch (error) {
    check("gets through", false, String(error?.stack ?? error));
  } finally {
    await end();
  }
}

await withHost();
await unattended();
finish();
