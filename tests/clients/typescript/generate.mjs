// A stand-in for the model API that Gemini CLI speaks (generateContent, streamed): it plays a script of tool calls, one a
// turn, and remembers what it was shown.

import { json, play } from "./played.mjs";

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

  const played = await play(({ path, body }, response) => {
    if (path.endsWith(":countTokens")) return json(response, { totalTokens: 100 });
    if (!path.endsWith(":streamGenerateContent")) return json(response, {});
    seen.requests.push(body);
    const candidate = { content: { role: "model", parts: [turn(body)] }, finishReason: "STOP", index: 0 };
    const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 };
    response.setHeader("content-type", "text/event-stream");
    response.end(`data: ${JSON.stringify({ candidates: [candidate], usageMetadata })}\n\n`);
  });
  return { ...played, seen };
}

/** All tools of ours that a request offers, by their own names. */
export function toolsIn({ tools = [] }) {
  const declared = tools.flatMap(({ functionDeclarations }) => functionDeclarations ?? []);
  const ours = declared.filter(({ name }) => name.startsWith(PREFIX));
  return ours.map((tool) => ({ ...tool, name: tool.name.slice(PREFIX.length) }));
}
