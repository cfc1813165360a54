"""Unpacks the image of an OCI archive for this machine: `packages-image.py ARCHIVE FOLDER`, as root.

Checks each digest on the way, and writes the variables of the image beside the folder, one a line, into FOLDER.env.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile


def main():
    with tarfile.open(sys.argv[1]) as archive:
        read = lambda name: archive.extractfile(name).read()

        def blob(described):
            digest = described["digest"].removeprefix("sha256:")
            content = read(f"blobs/sha256/{digest}")
            assert hashlib.sha256(content).hexdigest() == digest and len(content) == described["size"], digest
            return content

        index = json.loads(blob(json.loads(read("index.json"))["manifests"][0]))
        fits = [one for one in index["manifests"] if one["platform"] == {"os": "linux", "architecture": "amd64"}]
        manifest = json.loads(blob(fits[0]))
        config = json.loads(blob(manifest["config"]))
        for described, plain in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            layer = gzip.decompress(blob(described))
            assert f"sha256:{hashlib.sha256(layer).hexdigest()}" == plain, plain
            with tarfile.open(fileobj=io.BytesIO(layer)) as files:
                files.extractall(sys.argv[2], numeric_owner=True)
    started = config["config"]
    assert (started["Entrypoint"], started["Cmd"], started["User"]) == (["/truedy-mcp"], ["stdio"], "65532:65532"), started
    assert "/var/lib/truedy-mcp" in started["Volumes"], started
    with open(f"{sys.argv[2]}.env", "w", encoding="utf-8") as variables:
        variables.write("".join(f"{variable}\n" for variable in started["Env"]))


main()
