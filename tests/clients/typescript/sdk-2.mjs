// The TypeScript client of SDK 2: by `initialize`, and by `server/discover` with questions in a second call.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { INFO, converse, finish } from "./conversation.mjs";

function transportTo({ url, headers, sse, ...command }) {
  if (!url) return new StdioClientTransport(command);
  const Transport = sse ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Transport(url, { requestInit: { headers } });
}

function connectWith(mode) {
  return async (server, person) => {
    const client = new Client(INFO, {
      capabilities: person ? { elicitation: { form: {} } } : {},
      versionNegotiation: { mode },
    });
    if (person) client.setRequestHandler("elicitation/create", ({ params }) => person.fill(params));
    const transport = transportTo(server);
    await client.connect(transport);
    return {
      version: client.getNegotiatedProtocolVersion(),
      tools: async () => (await client.listTools()).tools,
      call: (name, args) => client.callTool({ name, arguments: args }),
      close: async () => {
        if (transport.sessionId) await transport.terminateSession();
        await client.close();
      },
    };
  };
}

for (const [mode, version] of [["legacy", "2025-11-25"], ["auto", "2026-07-28"]]) {
  for (const asks of [false, true]) {
    await converse("TypeScript SDK 2", { version, asks, connect: connectWith(mode) });
  }
}
finish();
