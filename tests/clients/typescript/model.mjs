// A stand-in for the model API that Claude Code speaks (Messages, streamed): it plays a script of tool calls, one a turn, and
// remembers what it was shown. A tool of ours that is not among those offered is searched for first, as a model must.

import { setTimeout as sleep } from "node:timers/promises";

import { json, play } from "./played.mjs";

const PREFIX = "mcp__truedy__";
/** In ms: a bought number becomes active after 2 s. If a question about it is open then, the answer is `state_changed`. */
const SETTLED = 2500;

/**
 * Starts it; `script` is a list of `{ tool, arguments }`, or of `{ own, arguments }` for a tool of the client's own. What the
 * call of each came to is in `seen.results`, in order.
 */
export async function startModel(script) {
  let next = 0;
  let searched = -1;
  let bought = 0;
  const seen = { requests: [], results: [] };

  function turn({ tools = [], messages }) {
    const offered = tools.map(({ name }) => name);
    const blocks = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
    for (const block of blocks) {
      const step = block.type === "tool_result" && block.tool_use_id.match(/^toolu_step_(\d+)$/)?.[1];
      if (step) seen.results[step] = block;
    }
    // Titles and the like are asked for without tools.
    const step = offered.length > 0 ? script[next] : undefined;
    if (!step) return { type: "text", text: "done" };
    const name = step.own ?? PREFIX + step.tool;
    if (!offered.includes(name)) {
      // What a search does not find is not there.
      if (searched === next) return { type: "text", text: `There is no ${name}.` };
      searched = next;
      const input = { query: `select:${name}`, max_results: 1 };
      return { type: "tool_use", id: `toolu_search_${seen.requests.length}`, name: "ToolSearch", input };
    }
    if (step.tool === "purchase_number") bought = Date.now();
    return { type: "tool_use", id: `toolu_step_${next++}`, name, input: step.arguments };
  }

  const played = await play(async ({ method, path, body }, response) => {
    const answer = (object) => json(response, object);
    if (method !== "POST") return answer({ data: [], has_more: false });
    // More than there are, so that an answer which passes would pass with any model.
    if (path.endsWith("/count_tokens")) return answer({ input_tokens: Math.ceil(JSON.stringify(body).length / 2) });
    if (!path.endsWith("/messages")) return answer({});
    seen.requests.push(body);
    if (script[next]?.tool === "release_number") await sleep(Math.max(0, bought + SETTLED - Date.now()));
    const block = turn(body);
    const stop_reason = block.type === "tool_use" ? "tool_use" : "end_turn";
    const usage = { input_tokens: 10, output_tokens: 5 };
    const message = { id: `msg_${seen.requests.length}`, type: "message", role: "assistant", model: body.model, usage };
    if (!body.stream) return answer({ ...message, content: [block], stop_reason, stop_sequence: null });
    response.setHeader("content-type", "text/event-stream");
    const send = (type, rest) => response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
    send("message_start", { message: { ...message, content: [], stop_reason: null, stop_sequence: null } });
    const isText = block.type === "text";
    const delta = isText
      ? { type: "text_delta", text: block.text }
      : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
    send("content_block_start", { index: 0, content_block: isText ? { ...block, text: "" } : { ...block, input: {} } });
    send("content_block_delta", { index: 0, delta });
    send("content_block_stop", { index: 0 });
    send("message_delta", { delta: { stop_reason, stop_sequence: null }, usage });
    send("message_stop", {});
    response.end();
  });
  return { ...played, seen };
}
