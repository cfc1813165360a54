// The TypeScript SDK 1.x: the eras that open with `initialize`. It checks every answer, errors too, against the tool's
// output schema.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { INFO, converse, finish } from "./conversation.mjs";

function transportTo({ url, headers, sse, ...command }) {
  if (!url) return new StdioClientTransport(command);
  const Transport = sse ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Transport(url, { requestInit: { headers } });
}

async function connect(server, person) {
  const client = new Client(INFO, { capabilities: person ? { elicitation: { form: {} } } : {} });
  if (person) client.setRequestHandler(ElicitRequestSchema, ({ params }) => person.fill(params));
  const transport = transportTo(server);
  const agree = transport.setProtocolVersion?.bind(transport);
  let version;
  transport.setProtocolVersion = (agreed) => {
    version = agreed;
    agree?.(agreed);
  };
  await client.connect(transport);
  return {
    version,
    tools: async () => (await client.listTools()).tools,
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: async () => {
      if (transport.sessionId) await transport.terminateSession();
      await client.close();
    },
  };
}

for (const asks of [false, true]) {
  await converse("TypeScript SDK 1", { version: "2025-11-25", asks, connect });
}
finish();
