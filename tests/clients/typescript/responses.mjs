// A stand-in for the model API that Codex speaks (Responses, streamed): it plays a script of tool calls, one a turn, and
// remembers what it was shown. A tool that is not among those offered, or is asked for in words, is searched for first.

import { json, play } from "./played.mjs";

const NAMESPACE = "mcp__truedy";
/** So many tools the played model looks at when it searches. */
const LOOKS_AT = 3;

/** The tools in a list, those in a namespace with its name. */
function flat(tools, namespace) {
  return tools.flatMap((tool) => (tool.type === "namespace" ? flat(tool.tools ?? [], tool.name) : [{ ...tool, namespace }]));
}

/** All tools that a request has: those offered, and those that its searches found. */
export function toolsIn({ tools = [], input = [] }) {
  const found = input.filter(({ type }) => type === "tool_search_output").flatMap(({ tools = [] }) => tools);
  return flat([...tools, ...found]);
}

/**
 * Starts it; `script` is a list of `{ tool, arguments }`, with the `query` of a search for the tool and its `limit` where they
 * matter. What the call of each came to is in `seen.results`, in order; which tools the search for each found in `seen.found`.
 */
export async function startModel(script) {
  let next = 0;
  let searched = -1;
  const seen = { requests: [], results: [], found: [] };

  function turn(body) {
    for (const item of body.input ?? []) {
      const step = /_output$/.test(item.type) && item.call_id?.match(/^call_(step|search)_(\d+)$/);
      if (step?.[1] === "step") seen.results[step[2]] = item.output;
      if (step?.[1] === "search") seen.found[step[2]] = flat(item.tools ?? []).map(({ name }) => name);
    }
    const id = `item_${seen.requests.length}`;
    const step = script[next];
    const say = (text) => ({ type: "message", id, role: "assistant", status: "completed", content: [{ type: "output_text", text, annotations: [] }] });
    if (!step) return say("done");
    const tool = toolsIn(body).find(({ name, namespace }) => name === step.tool && namespace === NAMESPACE);
    if (tool && (searched === next || !step.query)) {
      const { name, namespace } = tool;
      const json = JSON.stringify(step.arguments);
      return { type: "function_call", id, call_id: `call_step_${next++}`, name, namespace, arguments: json, status: "completed" };
    }
    // What a search does not find is not there.
    if (searched === next) return say(`There is no ${step.tool}.`);
    searched = next;
    const wanted = { query: step.query ?? step.tool.replaceAll("_", " "), limit: step.limit ?? LOOKS_AT };
    return { type: "tool_search_call", id, call_id: `call_search_${next}`, execution: "client", status: "completed", arguments: wanted };
  }

  const played = await play(({ method, body }, response) => {
    if (method !== "POST") return json(response, { object: "list", data: [], models: [] });
    seen.requests.push(body);
    const item = turn(body);
    const id = `resp_${seen.requests.length}`;
    const usage = { input_tokens: 5, output_tokens: 5, total_tokens: 10, input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } };
    response.setHeader("content-type", "text/event-stream");
    const send = (type, rest) => response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
    send("response.created", { response: { id, object: "response", status: "in_progress", output: [] } });
    send("response.output_item.done", { output_index: 0, item });
    send("response.completed", { response: { id, object: "response", status: "completed", output: [item], usage } });
    response.end();
  });
  return { seen, close: played.close, url: `${played.url}/v1` };
}
