"""A registry of npm for the tarballs of one folder: `packages-registry.py FOLDER` prints its address and serves until it is ended.

It knows these packages alone, so an installation from it shows that nothing else is needed.
"""

import base64
import hashlib
import http.server
import json
import sys
import tarfile
import urllib.parse
from pathlib import Path


class Registry(http.server.BaseHTTPRequestHandler):
    """Answers for a package, and for its tarball."""

    folder = Path()
    address = ""

    def do_GET(self):
        path = urllib.parse.unquote(self.path.split("?")[0]).lstrip("/")
        if path.startswith("-/"):
            file = self.folder / Path(path).name
            self.answer(file.read_bytes() if file.is_file() else None, "application/octet-stream")
            return
        versions = {}
        for file in self.folder.glob("*.tgz"):
            package = described(file)
            if package["name"] == path:
                versions[package["version"]] = package | {"dist": dist(file, self.address)}
        found = {"name": path, "dist-tags": {"latest": max(versions, default="")}, "versions": versions}
        self.answer(json.dumps(found).encode() if versions else None, "application/json")

    def answer(self, content, kind):
        self.send_response(404 if content is None else 200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_):
        """Says nothing."""


def described(file):
    with tarfile.open(file) as archive:
        return json.load(archive.extractfile("package/package.json"))


def dist(file, address):
    content = file.read_bytes()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    return {"tarball": f"{address}/-/{file.name}", "integrity": integrity, "shasum": hashlib.sha1(content).hexdigest()}


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    Registry.folder, Registry.address = Path(sys.argv[1]), f"http://127.0.0.1:{server.server_port}"
    print(Registry.address, flush=True)
    server.serve_forever()


main()
