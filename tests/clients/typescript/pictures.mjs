// The pictures of the docs, from the pictures of all states: with few colours they are small, and one of them moves.
//
//   node pictures.mjs - - SHOTS DIR
//
// Beside them stands labels.json: the words of each picture that come from its page. A test compares them with the page of
// today, without a browser, and so finds a picture that is stale.
//
// PNG is read and written here, since Chromium writes only pictures of all colours that stand still (PNG, third edition:
// https://www.w3.org/TR/png-3/).

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync, inflateSync } from "node:zlib";

const [, , SHOTS, DIR] = process.argv.slice(2);
const COLOURS = 64;
/** The most that a picture may have, in bytes. */
const MOST = 60 * 1024;
const SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);

const STILL = {
  "card-numbers-for-sale": "number-picker-prices-light-700",
  "card-your-numbers": "inventory-list-dark-700",
  "card-purchase": "confirm-purchase-light-700",
  "card-release": "confirm-release-ready-dark-320",
  landing: "landing-desk-light",
};
/** What a purchase looks like, and how long each picture stays, in ms. */
const PURCHASE = [
  ["number-picker-one-price-light-320", 1600],
  ["number-picker-chosen-light-320", 1400],
  ["number-picker-confirm-light-320", 1600],
  ["confirm-purchase-light-320", 2200],
  ["number-picker-buying-light-320", 900],
  ["number-picker-bought-light-320", 3000],
];

/** Where the words of each card come from, below the root of the repository. */
const VIEWS = "src/mcp/apps/views";
const SHARED = ["head.html", "client.js", "results.js"].map((name) => `${VIEWS}/${name}`);
const CARDS = ["number-picker", "inventory", "confirm"];

/** The longest runs of words in a text that stand in the source of its page. */
function labels(text, source) {
  const plain = (run) => run.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const stands = (run) => /\p{L}{3}/u.test(run) && new RegExp(`(?<!\\p{L})${plain(run)}(?!\\p{L})`, "u").test(source);
  const found = [];
  for (const line of text.split("\n")) {
    const words = line.trim().split(/\s+/);
    for (let from = 0, to; from < words.length; from = Math.max(to, from + 1)) {
      to = words.length;
      while (to > from && !stands(words.slice(from, to).join(" "))) to -= 1;
      if (to > from) found.push(words.slice(from, to).join(" "));
    }
  }
  return [...new Set(found)];
}

/** What a picture of cards says by their pages: the files of the pages, and the words in them. */
function said(shots) {
  const cards = CARDS.filter((card) => shots.some((name) => name.startsWith(card)));
  const files = [...cards.map((card) => `${VIEWS}/${card}.html`), ...SHARED];
  const source = files.map((file) => readFileSync(join(DIR, "../..", file), "utf8")).join("\n").replaceAll(/\s+/g, " ");
  return { files, labels: labels(shots.map(textOf).join("\n"), source) };
}

/** What the landing page says, but for the address and the version. */
function served(shot) {
  const lines = textOf(shot).split("\n").map((line) => line.trim().replaceAll(/\s+/g, " "));
  return { files: [], labels: lines.filter((line) => /\p{L}{3}/u.test(line) && !/\d\.\d+\.\d/.test(line)) };
}

/** The pixels of a picture that Chromium wrote: 8 bits a channel, with or without transparency, not interlaced. */
function pixels(file) {
  const data = readFileSync(file);
  const packed = [];
  let head;
  for (let at = SIGNATURE.length; at < data.length; ) {
    const length = data.readUInt32BE(at);
    const [kind, body] = [data.toString("latin1", at + 4, at + 8), data.subarray(at + 8, at + 8 + length)];
    if (kind === "IHDR") head = body;
    if (kind === "IDAT") packed.push(body);
    at += 12 + length;
  }
  const [width, height, channels] = [head.readUInt32BE(0), head.readUInt32BE(4), head[9] === 6 ? 4 : 3];
  const [raw, row] = [inflateSync(Buffer.concat(packed)), width * channels];
  const plain = Buffer.alloc(row * height);
  for (let y = 0; y < height; y += 1) unfilter(raw, plain, y, row, channels);
  const colours = new Uint32Array(width * height);
  for (let i = 0; i < colours.length; i += 1) colours[i] = plain.readUIntBE(i * channels, 3);
  return { width, height, colours };
}

/** Takes the filter off one row. */
function unfilter(raw, plain, y, row, channels) {
  const filter = raw[y * (row + 1)];
  for (let x = 0; x < row; x += 1) {
    const [at, from] = [y * row + x, raw[y * (row + 1) + 1 + x]];
    const left = x >= channels ? plain[at - channels] : 0;
    const up = y > 0 ? plain[at - row] : 0;
    const corner = x >= channels && y > 0 ? plain[at - row - channels] : 0;
    plain[at] = from + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
  }
}

function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

const channel = (colour, i) => (colour >> (8 * i)) & 255;
const apart = (one, other) => [0, 1, 2].reduce((sum, i) => sum + (channel(one, i) - channel(other, i)) ** 2, 0);

/** The colours that stand best for these pictures, and for each colour the nearest of them. */
function palette(pictures) {
  const counts = new Map();
  for (const { colours } of pictures) for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const all = [...counts].map(([colour, count]) => ({ colour, count, off: Infinity, index: 0 }));
  const chosen = [];
  while (chosen.length < Math.min(COLOURS, all.length)) {
    // The next one is what is worst off so far: frequent, and far from those that are chosen.
    const worst = all.reduce((one, other) => (other.count * other.off > one.count * one.off ? other : one));
    for (const one of all) {
      const off = apart(one.colour, worst.colour);
      if (off < one.off) Object.assign(one, { off, index: chosen.length });
    }
    chosen.push(worst.colour);
  }
  return { chosen, index: new Map(all.map(({ colour, index }) => [colour, index])) };
}

function chunk(kind, body) {
  const whole = Buffer.alloc(12 + body.length);
  whole.writeUInt32BE(body.length, 0);
  whole.write(kind, 4, "latin1");
  body.copy(whole, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + body.length)), 8 + body.length);
  return whole;
}

const words = (...numbers) => {
  const bytes = Buffer.alloc(4 * numbers.length);
  numbers.forEach((number, i) => bytes.writeUInt32BE(number, 4 * i));
  return bytes;
};

/** The picture's pixels in a frame of this size, packed. What is outside has the colour of its first pixel. */
function packed({ width, height, colours }, [wide, high], index) {
  const rows = Buffer.alloc((wide + 1) * high);
  for (let y = 0; y < high; y += 1) {
    for (let x = 0; x < wide; x += 1) rows[y * (wide + 1) + 1 + x] = index.get(x < width && y < height ? colours[y * width + x] : colours[0]);
  }
  return deflateSync(rows, { level: 9 });
}

/** A picture, or one that moves: `stays` is how long each of several stays, in ms. */
function encoded(pictures, stays) {
  const size = ["width", "height"].map((side) => Math.max(...pictures.map((one) => one[side])));
  const { chosen, index } = palette(pictures);
  const colours = Buffer.from(chosen.flatMap((colour) => [2, 1, 0].map((i) => channel(colour, i))));
  const out = [SIGNATURE, chunk("IHDR", Buffer.concat([words(...size), Buffer.from([8, 3, 0, 0, 0])]))];
  if (stays) out.push(chunk("acTL", words(pictures.length, 0)));
  out.push(chunk("PLTE", colours));
  let number = 0;
  pictures.forEach((picture, i) => {
    const times = Buffer.alloc(6);
    if (stays) times.writeUInt16BE(stays[i], 0);
    times.writeUInt16BE(1000, 2);
    if (stays) out.push(chunk("fcTL", Buffer.concat([words(number++, ...size, 0, 0), times])));
    const data = packed(picture, size, index);
    out.push(i === 0 ? chunk("IDAT", data) : chunk("fdAT", Buffer.concat([words(number++), data])));
  });
  return Buffer.concat([...out, chunk("IEND", Buffer.alloc(0))]);
}

mkdirSync(DIR, { recursive: true });
const textOf = (name) => readFileSync(join(SHOTS, `${name}.txt`), "utf8");
const shot = (name) => pixels(join(SHOTS, `${name}.png`));
const made = Object.entries(STILL).map(([name, from]) => [name, encoded([shot(from)])]);
made.push(["purchase", encoded(PURCHASE.map(([name]) => shot(name)), PURCHASE.map(([, stays]) => stays))]);
for (const [name, picture] of made) {
  if (picture.length > MOST) throw new Error(`${name}.png has ${picture.length} bytes, and at most ${MOST} are allowed`);
  writeFileSync(join(DIR, `${name}.png`), picture);
  console.log(`${name}.png: ${picture.length} bytes`);
}
const texts = { purchase: said(PURCHASE.map(([name]) => name)) };
for (const [name, from] of Object.entries(STILL)) texts[name] = name === "landing" ? served(from) : said([from]);
writeFileSync(join(DIR, "labels.json"), `${JSON.stringify(texts, undefined, 2)}\n`);
