// A newcomer with the binary, README and an empty home: the commands that README names, as they stand there, and then the
// sentence that it says to say, in Claude Code. No file is edited by hand. The seconds of each step are printed.

import { mkdirSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";

import { check, finish, folder, part } from "./conversation.mjs";
import { CLAUDE, QUIET, shown } from "./claude.mjs";
import { NOWHERE, runToEnd } from "./home.mjs";
import { startModel } from "./model.mjs";

const [PROGRAM, , README] = process.argv.slice(2);
/** Seconds that a newcomer gives the first success, and the first one in Claude Code. */
const MOST = { alone: 60, client: 120 };

const text = readFileSync(README, "utf8");
const commands = [...text.matchAll(/^```sh\n(.*?)^```/gms)]
  .flatMap(([, block]) => block.split("\n"))
  .map((line) => line.replace(/\s+#.*$/, "").trim());
const sentence = text.match(/^Then say: "([^"]+)"/m)?.[1];

/** The one command of README that begins so, without the compiler for whoever has the binary. */
function command(beginning) {
  const found = commands.find((line) => line.startsWith(beginning));
  if (!found) throw new Error(`README has no command that begins with "${beginning}"`);
  return found.replace(/^cargo run --release -- /, "truedy-mcp ");
}

const scratch = folder("newcomer");
const home = join(scratch, "home");
const bin = join(scratch, "bin");

/** Runs a line as a shell does in that home. */
async function type(line, env) {
  const started = process.hrtime.bigint();
  const ran = await runToEnd("/bin/sh", ["-c", line], { env, cwd: home });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(`        ${seconds.toFixed(1)} s  ${line}`);
  return { ...ran, seconds };
}

await part(async () => {
  for (const made of [home, bin]) mkdirSync(made);
  symlinkSync(PROGRAM, join(bin, "truedy-mcp"));
  symlinkSync(CLAUDE, join(bin, "claude"));
  const model = await startModel([{ tool: "search_numbers", arguments: { country_code: "US", area_code: "312" } }]);
  const claude = { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: "none", ...QUIET };
  const proxies = { HTTP_PROXY: NOWHERE, HTTPS_PROXY: NOWHERE, NO_PROXY: "127.0.0.1,localhost" };
  const env = { PATH: [bin, process.env.PATH].join(delimiter), HOME: home, ...proxies };
  try {
    check("the home is empty", readdirSync(home).length === 0, readdirSync(home));
    const tour = await type(command("cargo run --release -- tour"), env);
    check("the tour succeeds", tour.code === 0 && /bought/i.test(tour.said), tour);
    check(`the first success comes within ${MOST.alone} s`, tour.seconds <= MOST.alone, tour.seconds);

    const installed = await type(command("truedy-mcp config install claude-code --sandbox"), env);
    check("one command connects Claude Code", installed.code === 0, installed);
    const listed = await type("claude mcp list", { ...env, ...claude });
    check("which says that it is connected", /truedy: .*Connected/.test(listed.said), listed);
    const asked = await type(`claude -p '${sentence}' --allowedTools mcp__truedy`, { ...env, ...claude });
    const answer = model.seen.results[0] && shown(model.seen.results[0]);
    check("Claude Code comes to its end", asked.code === 0, asked);
    check("what README says to say is answered with numbers for sale", /\+1312/.test(answer ?? ""), answer);
    const all = [tour, installed, listed, asked].reduce((sum, { seconds }) => sum + seconds, 0);
    console.log(`        ${all.toFixed(1)} s  all of it`);
    check(`the first success in Claude Code comes within ${MOST.client} s`, all <= MOST.client, all);
  } finally {
    model.close();
  }
});
finish();
