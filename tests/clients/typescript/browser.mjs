// Chromium, as Debian packages it, and what is looked at in pages.

import { chromium } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";
const QUIET = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Chromium with a profile of its own, which is removed at the end; without the sandbox, since root has none. */
export const launch = () => chromium.launch({ executablePath: CHROMIUM, headless: true, chromiumSandbox: false, args: QUIET });

/** Elements that reach beyond the right edge of the window. */
export const beyond = () =>
  [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map((element) => element.outerHTML.slice(0, 80));

/** How well the text of each element stands out from what is behind it: the lowest ratio, by WCAG 2. `ground` is behind all. */
export function contrast(ground = [255, 255, 255]) {
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return ground;
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()),
  );
  return Math.min(
    ...texts.map((element) => {
      const lights = [channels(getComputedStyle(element).color), behind(element)].map(luminance).sort((a, b) => b - a);
      return (lights[0] + 0.05) / (lights[1] + 0.05);
    }),
  );
}
