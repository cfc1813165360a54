// A stand-in for the model API that Gemini CLI speaks (generateContent, streamed): it plays a script of tool calls, one a
// turn, and remembers what it was shown.

import { createServer } from "node:http";

const PREFIX = "mcp_truedy_";

/**
 * Starts it; `script` is a list of `{ tool, arguments }`, where `arguments` may be a function of the results so far. What the
 * call of each came to is in `seen.results`, in order.
 */
export async function startModel(script) {
  let next = 0;
  const seen = { requests: [], results: [] };

  function turn({ contents }) {
    const last = contents.at(-1).parts.find(({ functionResponse }) => functionResponse);
    if (last) seen.results[next - 1] = last.functionResponse.response;
    const step = script[next];
    if (!step) return { text: "done" };
    next += 1;
    const args = typeof step.arguments === "function" ? step.arguments(seen.results) : step.arguments;
    return { functionCall: { name: PREFIX + step.tool, args } };
  }

  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    const path = request.url.split("?")[0];
    const answer = (object) => response.setHeader("content-type", "application/json").end(JSON.stringify(object));
    if (path.endsWith(":countTokens")) return answer({ totalTokens: 100 });
    if (!path.endsWith(":streamGenerateContent")) return answer({});
    seen.requests.push(body);
    const candidate = { content: { role: "model", parts: [turn(body)] }, finishReason: "STOP", index: 0 };
    const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 };
    response.setHeader("content-type", "text/event-stream");
    response.end(`data: ${JSON.stringify({ candidates: [candidate], usageMetadata })}\n\n`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, seen, close };
}

/** All tools of ours that a request offers, by their own names. */
export function toolsIn({ tools = [] }) {
  const declared = tools.flatMap(({ functionDeclarations }) => functionDeclarations ?? []);
  const ours = declared.filter(({ name }) => name.startsWith(PREFIX));
  return ours.map((tool) => ({ ...tool, name: tool.name.slice(PREFIX.length) }));
}
