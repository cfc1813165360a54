"""A container image as an OCI layout, written without a container engine: the static program alone, as user 65532."""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path

import files
from archive import licences
from facts import Refused

USER = 65532
STATE = "var/lib/truedy-mcp"
# Where the certificates of the authorities are on Debian and in the image.
ROOTS = "/etc/ssl/certs/ca-certificates.crt"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"


def make(facts, out, level):
    """Writes one layout with an image for each target on Linux, as a .tar that `skopeo copy oci-archive:` takes."""
    name = facts.published_as("container_image")
    blobs, manifests = {}, []

    def add(kind, content):
        digest = files.sha256(content)
        blobs[digest] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    def add_json(kind, value):
        return add(kind, json.dumps(value, separators=(",", ":"), sort_keys=True).encode())

    for target, program in facts.built():
        if not target.image:
            continue
        refuse_dynamic(program)
        layer = layer_of(program)
        config = add_json(CONFIG, config_of(facts, name, target, layer))
        packed = add(LAYER, gzip.compress(layer, compresslevel=level, mtime=files.EPOCH))
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [packed]}
        manifests.append(add_json(MANIFEST, manifest) | {"platform": {"os": "linux", "architecture": target.image}})
    if not manifests:
        raise Refused("no target given has an image: those for Linux have")
    index = add_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    index |= {"annotations": {"org.opencontainers.image.ref.name": facts.version}}
    top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]}
    entries = [files.as_json("oci-layout", {"imageLayoutVersion": "1.0.0"}), files.as_json("index.json", top)]
    entries += [files.Entry(f"blobs/sha256/{digest}", content) for digest, content in sorted(blobs.items())]
    with tarfile.open(out / f"{facts.name}-{facts.version}-image.tar", "w") as archive:
        for entry in entries:
            archive.addfile(files.header(entry.path, len(entry.content), 0o644), io.BytesIO(entry.content))


def layer_of(program):
    """The tar of the one layer. Its state folder belongs to the user, everything else to root."""
    entries = [
        files.Entry("truedy-mcp", program.read_bytes(), True),
        files.Entry(ROOTS.lstrip("/"), roots()),
        *licences("licenses/"),
    ]
    folders = {f"{STATE}": USER, "tmp": USER}
    for path in [entry.path for entry in entries] + list(folders):
        for above in Path(path).parents:
            folders.setdefault(str(above), 0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for path in sorted(folder for folder in folders if folder != "."):
            mode = 0o700 if folders[path] else 0o755
            layer.addfile(files.header(path, 0, mode, folders[path], tarfile.DIRTYPE))
        for entry in entries:
            mode = 0o555 if entry.is_program else 0o444
            layer.addfile(files.header(entry.path, len(entry.content), mode), io.BytesIO(entry.content))
    return buffer.getvalue()


def roots():
    """The certificates of the machine that makes the image. Without them no connection to Truedy could be made."""
    if not Path(ROOTS).is_file():
        raise Refused(f"{ROOTS} is not there: install ca-certificates")
    return Path(ROOTS).read_bytes()


def config_of(facts, name, target, layer):
    return {
        "architecture": target.image,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "WorkingDir": "/",
            "Entrypoint": ["/truedy-mcp"],
            "Cmd": ["stdio"],
            # Where `http` listens, and a state that outlasts the container if the folder is a volume.
            "Env": [
                f"{facts.variable('listen')}=0.0.0.0:8080",
                f"{facts.variable('admin-listen')}=127.0.0.1:9464",
                f"{facts.variable('state-dir')}=/{STATE}/state",
                # For `tour`, which does not take the state of the others.
                f"HOME=/{STATE}",
            ],
            "ExposedPorts": {"8080/tcp": {}},
            "Volumes": {f"/{STATE}": {}},
            "StopSignal": "SIGTERM",
            "Labels": labels(facts, name),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{files.sha256(layer)}"]},
        "history": [{"created_by": "packaging/make.py image", "comment": f"{facts.name} {facts.version}"}],
    }


def labels(facts, name):
    made = {
        "org.opencontainers.image.title": facts.name,
        "org.opencontainers.image.description": facts.description,
        "org.opencontainers.image.version": facts.version,
        "org.opencontainers.image.licenses": facts.licence,
        "org.opencontainers.image.url": facts.project["homepage"],
        "org.opencontainers.image.source": facts.project["repository"],
        "org.opencontainers.image.vendor": facts.project["owner"],
        "org.opencontainers.image.ref.name": f"{name}:{facts.version}",
    }
    registry = facts.published.get("mcp_registry")
    # By this label the registry of MCP servers sees that both have one owner.
    return made | ({"io.modelcontextprotocol.server.name": registry} if registry else {})


def refuse_dynamic(program):
    """Refuses a program that asks for a loader (PT_INTERP), since the image has none."""
    head = program.read_bytes()
    if head[:5] != b"\x7fELF\x02":
        raise Refused(f"{program} is no 64-bit program for Linux")
    (offset,), (size, count) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<HH", head, 54)
    kinds = [struct.unpack_from("<I", head, offset + at * size)[0] for at in range(count)]
    if 3 in kinds:
        raise Refused(f"{program} is not static, and the image has no libraries: build it for a musl target")
