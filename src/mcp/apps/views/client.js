/* The page's side of MCP Apps 2026-01-26: JSON-RPC with the host, whose window is the only one that is listened to. */
const at = (id) => document.getElementById(id);
const host = { on: {}, can: {} };
{
  const waiting = new Map();
  let last = 0;
  const post = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  host.tell = (method, params = {}) => post({ method, params });
  host.ask = (method, params) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      post({ id: last, method, params });
    });
  /* What the model should know of what happens here. */
  host.note = (text) => {
    if (host.can.updateModelContext) host.ask("ui/update-model-context", { content: [{ type: "text", text }] }).catch(() => {});
  };
  const dress = ({ theme, styles }) => {
    const root = document.documentElement.style;
    if (theme === "light" || theme === "dark") root.colorScheme = theme;
    for (const [name, value] of Object.entries(styles?.variables ?? {})) if (name.startsWith("--")) root.setProperty(name, value);
  };
  host.on["ping"] = host.on["ui/resource-teardown"] = () => ({});
  host.on["ui/notifications/host-context-changed"] = dress;
  addEventListener("message", async ({ source, data }) => {
    if (source !== parent || data?.jsonrpc !== "2.0") return;
    const { id, method, params, result, error } = data;
    if (method === undefined) {
      const asked = waiting.get(id);
      waiting.delete(id);
      return error ? asked?.reject(new Error(error.message)) : asked?.resolve(result);
    }
    const handle = Object.hasOwn(host.on, method) ? host.on[method] : undefined;
    if (id === undefined) return handle?.(params ?? {});
    if (!handle) return post({ id, error: { code: -32601, message: "Method not found" } });
    post({ id, result: await handle(params ?? {}) });
  });
  host.start = async (appCapabilities = {}) => {
    const appInfo = { name: "truedy-{{name}}", version: "{{version}}" };
    const met = await host.ask("ui/initialize", { protocolVersion: "2026-01-26", appInfo, appCapabilities });
    host.can = met.hostCapabilities ?? {};
    dress(met.hostContext ?? {});
    host.tell("ui/notifications/initialized");
    const root = document.documentElement;
    const height = () => Math.ceil(root.getBoundingClientRect().height);
    new ResizeObserver(() => host.tell("ui/notifications/size-changed", { height: height() })).observe(root);
  };
}
/* An element with this text, and nothing but text. */
const made = (kind, className, text = "") => {
  const element = document.createElement(kind);
  element.className = className;
  element.textContent = text;
  return element;
};
const say = (text, kind = "") => {
  at("said").className = kind;
  at("said").textContent = text;
};
/* What the server knows of numbers, for people: how each is written, and where it is from. */
const known = new Map();
const phone = (number) => (/^\+1\d{10}$/.test(number) ? number.replace(/(..)(...)(...)(....)/, "$1 ($2) $3-$4") : (known.get(number)?.shown ?? number));
const placed = (place) => (/^[A-Z]{2}$/.test(place) ? new Intl.DisplayNames("en", { type: "region" }).of(place) : place);
const money = (amount, currency) => new Intl.NumberFormat("en", { style: "currency", currency, maximumFractionDigits: 6 }).format(amount);
/* A price in words, in short: "1.00 USD a month and 1.00 USD once". */
const shortly = (price) =>
  price
    .replace(/ and 0(\.0+)? [A-Z]{3} once/, "")
    .replace(/(\d[\d.]*) ([A-Z]{3})( a month)?/g, (_, amount, currency, monthly) => money(amount, currency) + (monthly ? "/mo" : ""))
    .replace(/ and (\S+) once/, " + $1 setup");
