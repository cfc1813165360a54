#!/usr/bin/env python3
"""Makes the packages of every channel from one table.

    python3 packaging/make.py CHANNEL… --program TARGET=FILE [--out DIR] [--project FILE]

Channels: archive, npm, wheel, mcpb, plugin, image, registry, or `all`. TARGET is a target of Rust, for example
x86_64-unknown-linux-musl, and FILE the program that was built for it; --program is given once for each.

Owner and published names come from docs/project.toml. While they are not set, nothing is made. To try the packages,
use `--project packaging/example-project.toml`: npm and PyPI refuse what is made with it.
"""

import argparse
import platform
import sys
from pathlib import Path

import archive
import bundle
import image
import npm
import plugin
import registry
import wheel
from facts import ROOT, Refused, load

# In this order, since server.json has the checksums of the bundles.
CHANNELS = {"archive": archive, "npm": npm, "wheel": wheel, "mcpb": bundle, "plugin": plugin, "image": image, "registry": registry}


def main():
    given = arguments()
    try:
        programs = dict(pair(text) for text in given.program)
        facts = load(given.project, programs, given.host or of_this_machine(programs))
        given.out.mkdir(parents=True, exist_ok=True)
        for name, channel in CHANNELS.items():
            if name in given.channel or "all" in given.channel:
                channel.make(facts, given.out, given.level)
        archive.checksums(given.out)
    except Refused as why:
        sys.exit(f"make.py: {why}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("channel", nargs="+", choices=[*CHANNELS, "all"])
    parser.add_argument("--program", action="append", default=[], metavar="TARGET=FILE")
    parser.add_argument("--host", metavar="FILE", help="a program of this version that runs on this machine; found among --program")
    parser.add_argument("--project", default=ROOT / "docs/project.toml", type=Path, metavar="FILE")
    parser.add_argument("--out", default=ROOT / "target/packages", type=Path, metavar="DIR")
    parser.add_argument("--level", default=9, type=int, choices=range(1, 10), help="how hard to compress; 9 without it")
    return parser.parse_args()


def pair(text):
    target, equals, file = text.partition("=")
    if not equals:
        raise Refused(f"--program {text}: expected TARGET=FILE")
    return target, file


def of_this_machine(programs):
    """The program among those given that runs here, since completions, manual and prompts come from it."""
    cpu = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    words = {"Linux": "linux", "Darwin": "apple", "Windows": "windows"}
    word = words.get(platform.system(), "unknown system")
    return next((file for triple, file in programs.items() if triple.startswith(cpu) and word in triple), None)


if __name__ == "__main__":
    main()
