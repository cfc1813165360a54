// The TypeScript SDK 1.x: the eras that open with `initialize`. It checks every answer, errors too, against the tool's
// output schema.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { INFO, converse, finish } from "./conversation.mjs";

async function connect(server, person) {
  const client = new Client(INFO, { capabilities: person ? { elicitation: { form: {} } } : {} });
  if (person) client.setRequestHandler(ElicitRequestSchema, ({ params }) => person.fill(params));
  const transport = new StdioClientTransport(server);
  let version;
  transport.setProtocolVersion = (agreed) => (version = agreed);
  await client.connect(transport);
  return {
    version,
    tools: async () => (await client.listTools()).tools,
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
}

for (const asks of [false, true]) {
  await converse("TypeScript SDK 1", { version: "2025-11-25", asks, connect });
}
finish();
