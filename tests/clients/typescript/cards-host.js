// A host of pages in the browser, on the official bridge: it shows one at a time, passes on what it calls, and puts questions
// to it. Bundled by cards.mjs, which gives it `window.serve`, the way to the MCP client.

import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const anything = { "~standard": { version: 1, vendor: "cards", validate: (value) => ({ value }) } };
const CAN = { serverTools: {}, updateModelContext: { text: {} }, message: { text: {} } };

window.notes = [];
window.messages = [];
window.can = undefined;
// What a page says of itself, before the bridge leaves out what no schema has yet.
addEventListener("message", ({ data }) => {
  if (data?.method === "ui/initialize") window.can = data.params.appCapabilities;
});

let shown;

/** Shows the page of this address, in a frame that may do nothing but run its script. */
window.show = async (address, { theme, styles }) => {
  await window.hide();
  document.documentElement.style.colorScheme = theme;
  const frame = document.createElement("iframe");
  frame.title = "Page of a tool";
  frame.sandbox = "allow-scripts";
  document.querySelector("#place").append(frame);
  const bridge = new AppBridge(null, { name: "cards", version: "1" }, CAN, { hostContext: { theme, styles } });
  const ready = new Promise((resolve) => (bridge.oninitialized = resolve));
  bridge.oncalltool = (params) => window.serve("tools/call", params);
  bridge.onupdatemodelcontext = async (params) => {
    window.notes.push(params.content[0].text);
    return {};
  };
  bridge.onmessage = async ({ content }) => {
    window.messages.push(content[0].text);
    return {};
  };
  bridge.onsizechange = ({ height }) => (frame.style.height = `${height}px`);
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.src = address;
  await ready;
  shown = { bridge, frame };
};

window.give = async (input, result) => {
  if (input) await shown.bridge.sendToolInput({ arguments: input });
  await shown.bridge.sendToolResult(result);
};

window.change = (theme) => {
  document.documentElement.style.colorScheme = theme;
  shown.bridge.setHostContext({ theme });
};

/** Puts a question to the page; its answer. */
window.put = (params) => shown.bridge.request({ method: "elicitation/create", params }, anything, { timeout: 60_000 });

/** Takes the page away as hosts do: it is told, and may answer what it still has to. */
window.hide = async () => {
  if (!shown) return;
  const { bridge, frame } = shown;
  shown = undefined;
  await bridge.teardownResource({});
  await bridge.close();
  frame.remove();
};
