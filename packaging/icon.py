"""Draws the icon: the twelve keys of a telephone on a rounded square, as a PNG."""

import struct
import zlib

SIZE = 512
GROUND, KEYS = (31, 78, 121), (255, 255, 255)
# In pixels: the square's corner, the radius of a key, and the steps between keys.
CORNER, KEY, STEP_X, STEP_Y = 112, 38, 120, 104


def png():
    """The bytes of the icon, 512 by 512 pixels with transparent corners."""
    rows = bytearray()
    for y in range(SIZE):
        rows.append(0)
        for x in range(SIZE):
            rows += bytes(pixel(x + 0.5, y + 0.5))
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(bytes(rows), 9)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pixel(x, y):
    """Red, green, blue and opacity. Edges are one pixel wide, so that they look smooth."""
    half = SIZE / 2
    dx, dy = (max(abs(v - half) - (half - CORNER), 0) for v in (x, y))
    opacity = covered(CORNER - (dx * dx + dy * dy) ** 0.5)
    column, row = min(max(round((x - half) / STEP_X), -1), 1), min(max(round((y - half) / STEP_Y - 0.5), -2), 1)
    kx, ky = half + column * STEP_X, half + (row + 0.5) * STEP_Y
    key = covered(KEY - ((x - kx) ** 2 + (y - ky) ** 2) ** 0.5)
    mixed = (round(ground + (above - ground) * key) for ground, above in zip(GROUND, KEYS))
    return (*mixed, round(255 * opacity))


def covered(inside):
    """How much of a pixel is covered whose middle is this far inside an edge, from 0 to 1."""
    return min(max(inside + 0.5, 0), 1)


def chunk(kind, content):
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
