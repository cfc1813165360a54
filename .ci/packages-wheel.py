"""Checks a wheel against its own RECORD: `packages-wheel.py FILE`."""

import base64
import csv
import hashlib
import sys
import zipfile


def main():
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        names = wheel.namelist()
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(wheel.read(record).decode().splitlines()))
        assert sorted(row[0] for row in rows) == sorted(names), (rows, names)
        for name, digest, size in rows:
            if name == record:
                continue
            content = wheel.read(name)
            wanted = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={wanted}", str(len(content))), name
        program = next(name for name in names if ".data/scripts/" in name)
        assert wheel.getinfo(program).external_attr >> 16 & 0o111, "the program cannot be run"


main()
