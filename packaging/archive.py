"""Archives for people and for cargo-binstall: the program, completions, manual pages, licences."""

import tempfile
from pathlib import Path

import files
from facts import ROOT, run

SHELLS = {"bash": "truedy-mcp.bash", "elvish": "truedy-mcp.elv", "fish": "truedy-mcp.fish", "powershell": "_truedy-mcp.ps1",
          "zsh": "_truedy-mcp"}
PAPERS = ("README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT")


def make(facts, out, level):
    """Writes one archive a target: .zip for Windows, .tar.gz elsewhere. Cargo.toml tells binstall the same names."""
    shared = [*papers(), *completions(facts), *manual(facts)]
    for target, program in facts.built():
        folder = f"{facts.name}-{facts.version}-{target.triple}"
        inside = [files.Entry(target.binary, program.read_bytes(), True), *shared]
        entries = [files.Entry(f"{folder}/{entry.path}", entry.content, entry.is_program) for entry in inside]
        if target.mcpb == "win32":
            files.zipped(out / f"{folder}.zip", entries, level)
        else:
            files.tar_gz(out / f"{folder}.tar.gz", entries, level)


def papers():
    return [files.Entry(name, (ROOT / name).read_bytes()) for name in PAPERS]


def licences(folder):
    return [files.Entry(f"{folder}{name}", (ROOT / name).read_bytes()) for name in PAPERS if name.startswith("LICENSE")]


def completions(facts):
    return [files.text(f"completions/{file}", run(facts, "completions", shell)) for shell, file in SHELLS.items()]


def manual(facts):
    with tempfile.TemporaryDirectory() as folder:
        run(facts, "man", "--dir", folder)
        pages = sorted(Path(folder).iterdir())
        return [files.Entry(f"man/man1/{page.name}", page.read_bytes()) for page in pages]


def checksums(out):
    """Writes SHA256SUMS over the files beside it, as `sha256sum --check` reads it."""
    made = sorted(file for file in out.iterdir() if file.is_file() and file.name != "SHA256SUMS")
    lines = [f"{files.sha256(file.read_bytes())}  {file.name}\n" for file in made]
    (out / "SHA256SUMS").write_text("".join(lines))
