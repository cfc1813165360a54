// What must hold of a card in any host and in any state.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { beyond, contrast } from "./browser.mjs";
import { check } from "./conversation.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** The most that hosts give a card inline, in px. */
const HIGH = 500;

/** What axe calls serious. It takes a page without a ground of its own for white, so contrast is measured without it. */
async function graveByAxe(frame) {
  await frame.evaluate(AXE);
  const found = await frame.evaluate(() => axe.run(document, { rules: { "color-contrast": { enabled: false } }, resultTypes: ["violations"] }));
  const grave = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return grave.map(({ id, nodes }) => [id, nodes[0].html]);
}

/** What does not hold of the card in this frame, by what it is. */
async function faults(frame, ground, byAxe) {
  const wrong = { axe: byAxe ? await graveByAxe(frame) : [], beyond: await frame.evaluate(beyond) };
  const lowest = await frame.evaluate(contrast, ground);
  wrong.contrast = lowest >= 4.5 ? [] : [lowest];
  wrong.small = await frame.evaluate(() =>
    [...document.querySelectorAll("button, label.row, input[type=text]")]
      .filter((one) => one.checkVisibility())
      .map((one) => [one.outerHTML.slice(0, 60), one.getBoundingClientRect()])
      .filter(([, { width, height }]) => width < 43.9 || height < 43.9),
  );
  const text = await frame.evaluate(() => document.body.innerText);
  wrong.names = text.match(/\w*[a-z]_[a-z]\w*/g) ?? [];
  return Object.entries(wrong).filter(([, found]) => found.length > 0);
}

/**
 * Checks that axe finds nothing serious, every text has 4.5 to 1, nothing reaches beyond the edge, what is tapped has 44 px, no
 * tool or field is named, and, if `whole`, that the card is at most 500 px high and does not scroll. Themes differ in colours
 * alone, which axe does not look at: it is asked in one of them.
 */
export async function inspect(frame, name, ground, { whole = true, byAxe = true } = {}) {
  const wrong = await faults(frame, ground, byAxe);
  check(`${name}: axe, contrast, edge, size of controls and words hold`, wrong.length === 0, wrong);
  if (!whole) return;
  const [high, shown] = await frame.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
  check(`${name}: ${high} px high, shown whole`, high <= shown && high <= HIGH, { high, shown });
}
