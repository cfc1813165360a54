#!/usr/bin/env python3
"""Prints version and published names as `name=value` lines: `names.py --tag v0.1.0`. Fails if the tag is another version.

It fails as well while nobody owns the project, before anything is built.
"""

import argparse
import sys
import tomllib

from facts import ROOT, owner_of, Refused


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", required=True)
    tag = parser.parse_args().tag
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    if tag != f"v{version}":
        sys.exit(f"names.py: the tag is {tag}, and Cargo.toml has version {version}")
    try:
        names = owner_of(ROOT / "docs/project.toml")["published"]
    except Refused as why:
        sys.exit(f"names.py: {why}")
    print(f"version={version}")
    for channel, name in names.items():
        print(f"{channel}={name}")


if __name__ == "__main__":
    main()
