// A sandbox that runs beside the server, with an account so large that the biggest answers come from it.

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { check } from "./conversation.mjs";
import { start } from "./server.mjs";

/** More than the hundred that an answer has at most. */
const NUMBERS = 110;
/** As long as the server lets a name be. */
const AGENT = "The front office, which calls customers back and confirms their appointments, ".padEnd(120, "abc ").slice(0, 119) + ".";

/** Starts it in this folder. Every number has both its agents, with a long name, since that makes the longest rows. */
export async function startAccount(program, scratch) {
  const ledger = join(scratch, "ledger.jsonl");
  const args = ["--listen", "127.0.0.1:0", "--state-dir", scratch, "--ledger", ledger, "--fault", "rate_limit=0"];
  const sandbox = await start(program, ["sandbox", ...args], join(scratch, "sandbox.log"));
  const url = await sandbox.says(/^export TRUEDY_BASE_URL=(\S+)$/m);
  const key = await sandbox.says(/^export TRUEDY_API_KEY=(\S+)$/m);
  const ask = async (method, path, body) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(`${url}/${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()).data;
  };
  // The API has nothing that renames an agent.
  const kept = new DatabaseSync(join(scratch, "sandbox.sqlite"));
  kept.prepare("UPDATE agents SET name = ? WHERE name = 'Front office'").run(AGENT);
  kept.close();
  const { id: agent_id } = (await ask("GET", "agents")).find(({ name }) => name === AGENT);
  for (let line = 0; line < NUMBERS; line++) {
    const phone_number = `+442079460${String(line).padStart(3, "0")}`;
    const { number_id } = await ask("POST", "telephony/numbers/purchase", { phone_number });
    for (const assignment_type of ["inbound", "outbound"]) {
      await ask("POST", "telephony/numbers/assign", { number_id, agent_id, assignment_type });
    }
  }
  return { ...sandbox, url, key, ledger, agent: AGENT };
}

/** The calls with the biggest answers, of this account; `rows` counts what one holds, `most` is the most there can be. */
export const biggest = ({ agent }) => [
  { tool: "list_numbers", arguments: { limit: 100 }, rows: ({ numbers, rows }) => (numbers ?? rows).length, most: 100 },
  { tool: "search_numbers", arguments: { page_size: 100 }, rows: ({ offers }) => offers.length, most: 100 },
  { tool: "get_agent_numbers", arguments: { agent_id: agent }, rows: ({ inbound }) => inbound.length, most: 100 },
  { tool: "list_agents", arguments: {}, rows: ({ agents }) => agents.length, most: 6 },
];

/** That the model is shown the whole of each: the very `structuredContent` of the server, as compact JSON. */
export function checkBiggest(calls, texts, exchanges) {
  for (const [index, { tool, arguments: args, rows, most }] of calls.entries()) {
    const call = exchanges.find(({ message: { params } }) => params?.name === tool);
    const answer = call?.answer?.result?.structuredContent;
    const json = JSON.stringify(answer) ?? "";
    const name = `${tool} ${JSON.stringify(args).slice(0, 40)}`;
    check(`the biggest answer of ${name} has ${most} rows`, answer && rows(answer) === most, call?.answer);
    check(`and reaches the model whole and compact: ${Buffer.byteLength(json)} bytes`, json && texts[index] === json, texts[index]);
  }
}
