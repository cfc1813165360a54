#!/usr/bin/env node
// Starts the program that npm installed for this machine, and ends as it ends.
const { name } = require("./package.json");
const { platform, arch } = process;
const file = `${name}-${platform}-${arch}/bin/truedy-mcp${platform === "win32" ? ".exe" : ""}`;
const fail = (why) => (console.error(`truedy-mcp: ${why}`), process.exit(1));
const program = (() => { try { return require.resolve(file); } catch { return fail(`${file} is not installed: this machine (${platform}, ${arch}) has no package, or npm left optional dependencies out`); } })();
const child = require("node:child_process").spawn(program, process.argv.slice(2), { stdio: "inherit" }).on("error", (error) => fail(error.message));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? 128 + require("node:os").constants.signals[signal]));
