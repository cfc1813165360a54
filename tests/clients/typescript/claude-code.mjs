// Claude Code over Streamable HTTP, as the landing page says to connect it: the token comes from the environment, a model
// that is played asks for the tools, and a host in place of a person allows them and answers what the server asks. Then the
// same unattended, where nobody can allow anything; and an import whose key is entered on a page, or by nobody.

import { STEPS, changesIn, check, finish } from "./conversation.mjs";
import { ALLOWED, IMPORT, PURPOSE, checkPages, converse, importByPage, importUnattended, shown, stage } from "./claude.mjs";
import { startRelay } from "./relay.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const REVISION = "2026-07-28";

/** A server, a relay before it, and a home in which Claude Code is connected by the command of the landing page. */
async function stageHttp(name, script, env) {
  const made = await stage(PROGRAM, name, script);
  const args = ["--sandbox", "--ephemeral", "--ledger", made.ledger, "--drain-seconds", "0"];
  const server = await serveHttp(PROGRAM, made.scratch, args, { env });
  const relay = await startRelay(server.url);
  const run = (args, host) => made.run(args, { env: { TRUEDY_MCP_TOKEN: server.token }, ...host });
  const header = "Authorization: Bearer ${TRUEDY_MCP_TOKEN}";
  const added = await run(["mcp", "add", "--transport", "http", "--scope", "user", "truedy", relay.url, "--header", header]);
  check("is connected as the landing page says", added.code === 0 && !added.said.includes(server.token), added);
  const end = async () => {
    made.model.close();
    relay.close();
    const ended = await server.stop();
    const said = server.said();
    check("the server ends in order", ended === 0, { ended, said });
    check("and logged neither trouble nor the token", !/"(WARN|ERROR)"/.test(said) && !said.includes(server.token), said);
  };
  return { ...made, run, relay, exchanges: relay.exchanges, heard: relay.heard, logged: server.said, token: server.token, end };
}

async function withPerson() {
  const made = await stageHttp("over HTTP with a person", STEPS);
  const { run, relay, model, token, end } = made;
  try {
    const listed = await run(["mcp", "list"]);
    check("says that it is connected", /truedy: .*Connected/.test(listed.said), listed);
    await converse(made, REVISION);
    const modern = relay.messages.filter(({ message }) => message?.method).map(({ headers }) => headers["mcp-protocol-version"]);
    check("and says so in every header", modern.length > 0 && modern.every((revision) => revision === REVISION), modern);
    const bearers = new Set(relay.messages.map(({ headers }) => headers.authorization));
    check("the token comes from the environment", bearers.size === 1 && bearers.has(`Bearer ${token}`), [...bearers]);
    const failed = relay.messages.filter(({ status }) => status >= 400);
    check("the server refuses none of its requests", failed.length === 0, failed);
    check("the model never sees the token", !JSON.stringify(model.seen.requests).includes(token));
  } catch (error) {
    check("gets through", false, String(error?.stack ?? error));
  } finally {
    await end();
  }
}

async function unattended() {
  const script = STEPS.filter(({ what }) => /^(lists the numbers|buys a number)$/.test(what));
  const { run, relay, model, ledger, end } = await stageHttp("over HTTP unattended", script);
  try {
    const ran = await run(["-p", PURPOSE, "--allowedTools", ALLOWED]);
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

/** A carrier's key goes from the browser of a person to the server, past the client and the model. */
async function keys() {
  const made = await stageHttp("over HTTP, a key from a page", [IMPORT], { ...process.env, RUST_LOG: "trace" });
  try {
    await importByPage(made, REVISION, "before");
    checkPages(made.relay);
  } catch (error) {
    check("gets through", false, String(error?.stack ?? error));
  } finally {
    await made.end();
  }
}

async function keysUnattended() {
  const made = await stageHttp("over HTTP, a key and nobody to enter it", [IMPORT]);
  try {
    await importUnattended(made);
    check("nobody opened the page", made.relay.pages.length === 0, made.relay.pages);
  } catch (error) {
    check("gets through", false, String(error?.stack ?? error));
  } finally {
    await made.end();
  }
}

await withPerson();
await unattended();
await keys();
await keysUnattended();
finish();
