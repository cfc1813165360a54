// Vercel's AI SDK: its MCP client holds the conversation, and a played model takes steps of it through `generateText`. What
// its clients of OpenAI, in strict mode, and of Gemini make of the catalogue is read from the requests they would send.

import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { ElicitationRequestSchema, createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioTransport } from "@ai-sdk/mcp/mcp-stdio";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs } from "ai";
import { MockLanguageModelV4 } from "ai/test";

import { STEPS, TOOLS, check, converse, finish, part, serve } from "./conversation.mjs";

const TRANSPORT = process.argv[4] ?? "stdio";
const UNASKED = STEPS.filter(({ answer, also_without_asking: also }) => !answer || also);

/** What strict mode refuses beside an object that is open, and what a function declaration of Gemini knows. */
const NOT_STRICT = ["allOf", "default", "if", "maxLength", "minLength", "not", "oneOf", "patternProperties"];
const GEMINI = ["additionalProperties", "anyOf", "default", "description", "enum", "format", "items", "maximum", "minimum", "nullable", "pattern", "properties", "required", "type"];

function transportTo({ url, headers, sse, ...command }) {
  return url ? { type: sse ? "sse" : "http", url: url.href, headers } : new StdioTransport(command);
}

function connectIn(protocolVersionDiscovery) {
  return async (server, person) => {
    const client = await createMCPClient({
      transport: transportTo(server),
      protocolVersionDiscovery,
      capabilities: person ? { elicitation: { form: {} } } : {},
    });
    if (person) client.onElicitationRequest(ElicitationRequestSchema, ({ params }) => person.fill(params));
    return {
      version: client.initializeResult.protocolVersion,
      tools: async () => (await client.listTools()).tools,
      call: (name, args) => client.callTool({ name, arguments: args }),
      close: () => client.close(),
    };
  };
}

/** The steps through a model, as an application of the SDK runs one: what it is shown of each. */
async function throughModel() {
  console.log("AI SDK, generateText");
  const client = await createMCPClient({ transport: new StdioTransport(serve("--ephemeral")) });
  try {
    const tools = await client.tools();
    const model = new MockLanguageModelV4({
      doGenerate: async ({ prompt }) => {
        const results = prompt.filter(({ role }) => role === "tool");
        const step = UNASKED[results.length];
        const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
        if (!step) return { content: [{ type: "text", text: "Done." }], finishReason: { unified: "stop" }, usage, warnings: [] };
        const call = { type: "tool-call", toolCallId: `call-${results.length}`, toolName: step.tool, input: JSON.stringify(step.arguments) };
        return { content: [call], finishReason: { unified: "tool-calls" }, usage, warnings: [] };
      },
    });
    const { text, steps } = await generateText({ model, tools, prompt: "Get us a number.", stopWhen: stepCountIs(UNASKED.length + 1) });
    check("comes to its end", text === "Done.", text);
    const last = model.doGenerateCalls.at(-1).prompt.filter(({ role }) => role === "tool");
    check("the model gets a result of each call", last.length === UNASKED.length && steps.length === UNASKED.length + 1, last);
    for (const [index, { what, status, shows = "" }] of UNASKED.entries()) {
      const shown = JSON.stringify(last[index]?.content).replaceAll("\\", "");
      check(`${what}: the model is shown it`, shown.includes(`"status":"${status}"`) && shown.includes(shows), shown);
    }
  } finally {
    await client.close();
  }
}

/** All schemas in one, with where each is. */
function schemasIn(schema, path = "") {
  const inner = [...Object.entries(schema.properties ?? {}), ...(schema.items ? [["items", schema.items]] : [])];
  return [[path, schema], ...inner.flatMap(([name, one]) => schemasIn(one, `${path}/${name}`))];
}

/** Where OpenAI's strict mode refuses it. */
function notStrict(schema) {
  return schemasIn(schema).flatMap(([path, one]) => {
    const object = [one.type].flat().includes("object");
    const open = object && one.additionalProperties !== false;
    const optional = object && `${[...(one.required ?? [])].sort()}` !== `${Object.keys(one.properties ?? {}).sort()}`;
    const keys = Object.keys(one).filter((key) => NOT_STRICT.includes(key));
    return [...(open ? [`${path}: open`] : []), ...(optional ? [`${path}: optional`] : []), ...keys.map((key) => `${path}: ${key}`)];
  });
}

/** What a vendor's client would send for these tools. */
async function sent(create, id, tools) {
  let body;
  const fetch = async (_, request) => {
    body = JSON.parse(request.body);
    throw new Error("seen");
  };
  await generateText({ model: create({ apiKey: "none", fetch })(id), tools, prompt: "Hello.", maxRetries: 0 }).catch(() => {});
  return body;
}

/** What its clients of models make of each tool. */
async function schemas() {
  console.log("AI SDK, schemas for OpenAI and for Gemini");
  const client = await createMCPClient({ transport: new StdioTransport(serve("--ephemeral")) });
  try {
    const listed = (await client.listTools()).tools;
    const tools = await client.tools();
    const openai = (await sent(createOpenAI, "gpt-5.5", tools)).tools;
    const gemini = (await sent(createGoogleGenerativeAI, "gemini-3-pro", tools)).tools.flatMap(({ functionDeclarations }) => functionDeclarations);
    check(`both get ${TOOLS} tools`, openai.length === TOOLS && gemini.length === TOOLS, [openai, gemini]);
    for (const { name, inputSchema } of listed) {
      const names = Object.keys(inputSchema.properties ?? {}).sort();
      const one = openai.find((tool) => tool.name === name);
      const wrong = one.strict ? notStrict(one.parameters) : [];
      const kept = `${Object.keys(one.parameters.properties ?? {}).sort()}` === `${names}` && one.parameters.additionalProperties === false;
      check(`${name}, OpenAI`, wrong.length === 0 && kept, { wrong, one });
      const declared = gemini.find((tool) => tool.name === name);
      // Gemini takes either its own subset or JSON Schema, of which it reads a part.
      const parameters = declared.parametersJsonSchema ?? declared.parameters;
      const unknown = parameters ? schemasIn(parameters).flatMap(([path, one]) => Object.keys(one).filter((key) => !GEMINI.includes(key)).map((key) => `${path}: ${key}`)) : [];
      check(`${name}, Gemini`, unknown.length === 0 && `${Object.keys(parameters?.properties ?? {}).sort()}` === `${names}`, { unknown, declared });
    }
  } finally {
    await client.close();
  }
}

for (const asks of [false, true]) {
  await converse("AI SDK", { version: "2025-11-25", asks, connect: connectIn(false) });
  // The older transport has no newer era.
  if (TRANSPORT !== "sse") await converse("AI SDK", { version: "2026-07-28", asks, connect: connectIn(true) });
}
if (TRANSPORT === "stdio") {
  await part(throughModel);
  await part(schemas);
}
finish();
