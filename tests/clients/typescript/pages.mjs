// What the pages show when a read fails or a number is gone: their own scripts in Node, with just enough of a document.
//
//   node pages.mjs PROGRAM SCRATCH VIEWS

import { readFileSync } from "node:fs";
import vm from "node:vm";

const [, , VIEWS] = process.argv.slice(2);
const read = (name) => readFileSync(`${VIEWS}/${name}`, "utf8");
const client = read("client.js").replace("{{name}}", "page").replace("{{version}}", "1");

/** A page, its elements by their ids, what it sent, and a way to tell it something as the host would. */
function page(name) {
  const html = read(name);
  const script = html.slice(html.indexOf("<script>") + 8, html.indexOf("</script>")).replace("{{client}}", () => client).replace("{{results}}", () => read("results.js"));
  const el = (id = "") => ({ id, hidden: false, textContent: "", kids: [], style: {}, attrs: {}, append(...k) { this.kids.push(...k); }, replaceChildren(...k) { this.kids = k; }, setAttribute(n, v) { this.attrs[n] = v; }, focus() {} });
  const all = {};
  const sent = []; let hear;
  const doc = { getElementById: (id) => (all[id] ??= el(id)), createElement: () => el(), documentElement: { style: { setProperty() {} }, getBoundingClientRect: () => ({ height: 1 }) }, activeElement: el(), querySelector: () => null };
  const parent = { postMessage: (m) => sent.push(m) };
  const ctx = { document: doc, parent, addEventListener: (_, f) => (hear = f), ResizeObserver: class { observe() {} }, performance: { now: () => (ctx.t += 1000) }, t: 0, setTimeout, console, Promise };
  vm.createContext(ctx); vm.runInContext(script, ctx);
  const tell = async (data) => { await hear({ source: parent, data: { jsonrpc: "2.0", ...data } }); for (let i = 0; i < 20; i++) await Promise.resolve(); };
  return { all, sent, tell, ctx, async start() { await tell({ id: sent[0].id, result: { hostCapabilities: { serverTools: {} } } }); },
    last: () => sent.filter((m) => m.method === "tools/call").at(-1) };
}
function ok(what, holds, seen) {
  console.log(holds ? `  ok      ${what}` : `  FAILED  ${what}\n          ${JSON.stringify(seen)}`);
  if (!holds) process.exitCode = 1;
}

const offer = (i) => ({ number: `+1415555010${i}`, monthly: "1.00", currency: "USD", type: "local" });
const tokens = (n) => ({ "truedy/offers": Object.fromEntries(n.map((i) => [`+1415555010${i}`, "t"])), "truedy/query": { area_code: "415" } });
const WHY = "Truedy cannot be reached. Try again in a minute.";
const failed = { isError: true, structuredContent: { status: "upstream_unavailable", summary: "See list_numbers." }, _meta: { "truedy/why": WHY } };
{
  const p = page("number-picker.html"); await p.start();
  await p.tell({ method: "ui/notifications/tool-result", params: failed });
  ok("picker: a failed read shows the error alone", p.all.said.textContent === WHY && p.all.count.textContent === "", p.all.count.textContent);
}
{
  const p = page("inventory.html"); await p.start();
  await p.tell({ method: "ui/notifications/tool-result", params: failed });
  ok("inventory: a failed read shows the error alone", p.all.said.textContent === WHY && p.all.count.textContent === "", p.all.count.textContent);
}
{
  const p = page("number-picker.html"); await p.start();
  await p.tell({ method: "ui/notifications/tool-result", params: { structuredContent: { offers: [0,1,2,3,4,5,6,7].map(offer), next_page: 2, total: 20 }, _meta: tokens([0,1,2,3,4,5,6,7]) } });
  await p.all.second.onclick();
  const before = p.all.count.textContent;
  const going = p.all.second.onclick(); await Promise.resolve();
  await p.tell({ id: p.last().id, result: failed }); await going;
  ok("picker: a failed More keeps the page", before.startsWith("6–8") && p.all.count.textContent === before && p.all.said.textContent === WHY, [before, p.all.count.textContent, p.all.said.textContent]);
}
{
  const p = page("inventory.html"); await p.start();
  const rows = [...Array(8)].map((_, i) => ({ id: `n${i}`, number: `+1415555010${i}`, status: "active", kind: "managed" }));
  await p.tell({ method: "ui/notifications/tool-result", params: { structuredContent: { numbers: rows, next_offset: 8, total: 20 }, _meta: { "truedy/query": {} } } });
  await p.all.more.onclick();
  const before = p.all.count.textContent;
  const going = p.all.more.onclick(); await Promise.resolve();
  await p.tell({ id: p.last().id, result: failed }); await going;
  ok("inventory: a failed More keeps the page", before.startsWith("6–8") && p.all.count.textContent === before && p.all.said.textContent === WHY, [before, p.all.count.textContent]);
}
for (const status of ["upstream_rejected", "not_found", "rate_limited"]) {
  const p = page("number-picker.html"); await p.start();
  await p.tell({ method: "ui/notifications/tool-result", params: { structuredContent: { offers: [0,1].map(offer), total: 2 }, _meta: tokens([0,1]) } });
  p.all.rows.kids[0].kids[0].onchange();
  await p.all.first.onclick();
  const going = p.all.first.onclick(); await Promise.resolve();
  await p.tell({ id: p.last().id, result: { isError: true, structuredContent: { status, summary: "Nothing was bought." } } }); await going;
  const row = JSON.stringify(p.all.rows.kids[0], (k, v) => (k === "onchange" ? undefined : v));
  const gone = status !== "rate_limited";
  ok(`picker: after ${status} Buy is ${gone ? "gone and the row is marked" : "still there"}`, p.all.first.hidden === gone && row.includes("sold out") === gone, [p.all.first.hidden, row]);
  p.all.rows.kids[1].kids[0].onchange();
  ok("picker: another number may be bought", p.all.first.hidden === false, "");
}
for (const [name, told] of [["number-picker.html", { offers: [offer(0)], total: 1 }], ["inventory.html", { numbers: [{ id: "n", number: "+14155550100", status: "active", kind: "managed" }], total: 1 }]]) {
  const p = page(name); await p.start();
  // A host that passes on the text alone: Claude Desktop does so with servers on the same machine.
  await p.tell({ method: "ui/notifications/tool-result", params: { content: [{ type: "text", text: `A summary.\n${JSON.stringify({ status: "ok", ...told })}` }] } });
  const row = JSON.stringify(p.all.rows.kids);
  ok(`${name}: it shows what the text alone says, and sells nothing`, row.includes("+1 (415) 555-0100") && !row.includes("radio") && p.all.first?.hidden !== false, [row, p.all.first]);
}
