/* The facts of a result, whichever half of it the host passes on. */
const factsOf = (result) => {
  const text = result?.content?.[0]?.text ?? "";
  let facts = result?.structuredContent;
  try {
    facts ??= JSON.parse(text.slice(text.indexOf("{")));
  } catch {
    facts = {};
  }
  for (const [number, more] of Object.entries(result?._meta?.["truedy/numbers"] ?? {})) known.set(number, more);
  return facts;
};
/* Why it did not work and what to do. The summary is for a model, and is not shown. */
const why = (result) => result?._meta?.["truedy/why"] ?? "It did not work. Ask in the chat why.";
const failed = (result, { status }) => (status || result.isError ? say(why(result), "bad") : say("The result is in the chat."));
const call = (name, given) => host.ask("tools/call", { name, arguments: given }).catch(() => ({ isError: true }));
const skeleton = (kind) => at("rows").replaceChildren(...[1, 2, 3, 4, 5].map(() => made(kind, "bone")));
