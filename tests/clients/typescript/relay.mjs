// Stands between a client and the server: passes everything on and notes each message. Whatever the server answers gets a
// mark in each `_meta` on the way, as a token for a view would be: where the mark turns up, a `_meta` has been passed on.
//
//   node relay.mjs NOTES PROGRAM [ARGUMENT…]
//
// is a server on stdio that notes in a file, with what the server says on standard error; `startRelay` is one over HTTP that
// notes in memory. A page for a person passes, too, and what is entered there is no message: it is noted apart, without it.

import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const RELAY = fileURLToPath(import.meta.url);
const PAGES = "/enter/";
export const MARK = "a-token-for-views-that-no-model-may-see";

/** The same message with the mark in the `_meta` of a result and of all that a result lists. */
function marked(message) {
  const { result } = message;
  if (!result) return message;
  const lists = ["tools", "content", "prompts", "resources", "contents", "resourceTemplates"];
  for (const one of [result, ...lists.flatMap((name) => result[name] ?? [])]) {
    one._meta = { ...one._meta, "example.com/view": { token: MARK } };
  }
  return message;
}

const markedText = (json) => JSON.stringify(marked(JSON.parse(json)));

/** Over HTTP: each message is noted with its headers, and with the answer as the server gave it. */
export async function startRelay(server) {
  const messages = [];
  const pages = [];
  const relay = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method, url: path, headers } = request;
    const noted = { headers, method, text: "" };
    const forPerson = path.startsWith(PAGES);
    if (body.length && !forPerson) noted.message = JSON.parse(body.toString());
    (forPerson ? pages : messages).push(noted);
    const passed = ask({ host: server.hostname, port: server.port, method, path, headers }, (answer) => {
      noted.status = answer.statusCode;
      // Either side may go away while an answer is a stream.
      passOn(answer, response, noted).catch(() => response.destroy());
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
  const exchanges = () =>
    messages.filter(({ message }) => message?.method).map((noted) => ({ ...noted, from: "client", answer: answerIn(noted) }));
  const heard = () => JSON.stringify(messages);
  return { url: `http://127.0.0.1:${relay.address().port}/mcp`, messages, pages, exchanges, heard, close };
}

/** Passes an answer on, marked, and notes it as it was. */
async function passOn(answer, response, noted) {
  const { "content-length": _, ...headers } = answer.headers;
  const type = headers["content-type"] ?? "";
  response.writeHead(answer.statusCode, headers);
  if (type.startsWith("text/event-stream")) {
    // The head at once: that there is a stream is an answer, too.
    response.flushHeaders();
    for await (const line of createInterface({ input: answer })) {
      noted.text += `${line}\n`;
      response.write(`${line.replace(/^data: ?(\{.*)$/, (_, json) => `data: ${markedText(json)}`)}\n`);
    }
  } else {
    for await (const chunk of answer) noted.text += chunk;
    response.write(type.startsWith("application/json") && noted.text ? markedText(noted.text) : noted.text);
  }
  response.end();
}

/** The answer to a request among all that came back over HTTP, whole or as a stream. */
function answerIn({ message, text }) {
  const parts = text.startsWith("{") ? [text] : [...text.matchAll(/^data: ?(\{.*)$/gm)].map(([, json]) => json);
  return parts.map((part) => JSON.parse(part)).find(({ id, method }) => id === message.id && !method);
}

/** All that a relay on stdio noted, in order. */
function notesIn(file) {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  return lines.map((line) => JSON.parse(line));
}

/** What the server said on standard error. */
export const logged = (notes) => notesIn(notes).map(({ message }) => message.text ?? "").filter(Boolean).join("\n");

/** Requests with the answers they got, whoever asked. */
export function exchanges(notes) {
  const noted = notesIn(notes);
  return noted
    .filter(({ message }) => message.method)
    .map(({ process: of, from, message }) => {
      const answers = ({ process: other, from: side, message: { id, method } }) =>
        other === of && side !== from && id === message.id && !method;
      const answer = message.id === undefined ? undefined : noted.find(answers)?.message;
      return { process: of, from, message, answer };
    });
}

/** What the client says of itself: the revision, and what of elicitation it carries. */
export function declared(exchanges) {
  const { message } = exchanges.find(({ message: { method } }) => /^(initialize|server\/discover)$/.test(method));
  const { protocolVersion, capabilities, _meta } = message.params;
  const said = (what) => _meta?.[`io.modelcontextprotocol/${what}`];
  return {
    version: protocolVersion ?? said("protocolVersion"),
    elicitation: (capabilities ?? said("clientCapabilities")).elicitation,
  };
}

/** On stdio. */
function relay(notes, program, args) {
  const server = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const write = (noted) => appendFileSync(notes, `${JSON.stringify({ process: process.pid, ...noted })}\n`);
  const note = (from, text) => {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    write({ from, message });
  };
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      note("client", line);
      server.stdin.write(`${line}\n`);
    })
    .on("close", () => server.stdin.end());
  createInterface({ input: server.stdout }).on("line", (line) => {
    note("server", line);
    process.stdout.write(`${markedText(line)}\n`);
  });
  createInterface({ input: server.stderr }).on("line", (text) => {
    write({ from: "log", message: { text } });
    process.stderr.write(`${text}\n`);
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.kill(signal));
  server.stdin.on("error", () => {});
  server.on("close", (code) => process.exit(code ?? 1));
}

if (process.argv[1] === RELAY) {
  const [notes, program, ...args] = process.argv.slice(2);
  relay(notes, program, args);
}
