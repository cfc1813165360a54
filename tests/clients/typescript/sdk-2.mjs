// The TypeScript client of SDK 2: by `initialize`, and by `server/discover` with questions in a second call.

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { INFO, converse, finish } from "./conversation.mjs";

function connectWith(mode) {
  return async (server, person) => {
    const client = new Client(INFO, {
      capabilities: person ? { elicitation: { form: {} } } : {},
      versionNegotiation: { mode },
    });
    if (person) client.setRequestHandler("elicitation/create", ({ params }) => person.fill(params));
    await client.connect(new StdioClientTransport(server));
    return {
      version: client.getNegotiatedProtocolVersion(),
      tools: async () => (await client.listTools()).tools,
      call: (name, args) => client.callTool({ name, arguments: args }),
      close: () => client.close(),
    };
  };
}

for (const [mode, version] of [["legacy", "2025-11-25"], ["auto", "2026-07-28"]]) {
  for (const asks of [false, true]) {
    await converse("TypeScript SDK 2", { version, asks, connect: connectWith(mode) });
  }
}
finish();
