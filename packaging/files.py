"""Writes archives that are equal byte for byte where their content is: fixed times, owners and order."""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass

# 1980-01-01, the earliest that a zip can hold.
EPOCH = 315532800


@dataclass(frozen=True)
class Entry:
    """A file of an archive: its path, its bytes, and whether it can be run."""

    path: str
    content: bytes
    is_program: bool = False

    @property
    def mode(self):
        return 0o755 if self.is_program else 0o644


def text(path, content):
    return Entry(path, content.encode())


def as_json(path, value):
    return text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def tar_gz(file, entries, level):
    """Writes a .tar.gz. The owner is root, and folders are left to whoever unpacks it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            archive.addfile(header(entry.path, len(entry.content), entry.mode), io.BytesIO(entry.content))
    file.write_bytes(gzip.compress(buffer.getvalue(), compresslevel=level, mtime=EPOCH))


def header(path, size, mode, owner=0, kind=tarfile.REGTYPE):
    """The header of one entry of a tar."""
    info = tarfile.TarInfo(path)
    info.size, info.mode, info.mtime, info.type = size, mode, EPOCH, kind
    info.uid = info.gid = owner
    return info


def zipped(file, entries, level):
    """Writes a zip whose programs can be run after unpacking."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.path, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            # Made on Unix, so that the mode counts.
            info.create_system = 3
            info.external_attr = (0o100000 | entry.mode) << 16
            archive.writestr(info, entry.content)


def sha256(content):
    return hashlib.sha256(content).hexdigest()
