"""Chromium's screenshots at a third of their bytes: 8-bit RGB to 256 colors (PNG, ISO/IEC 15948, 9.2 and 11.2.2)."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
Color = tuple[int, int, int]


def to_palette(png: bytes) -> bytes:
    """Give the same picture in its 256 commonest colors, every other one by the nearest of them.

    Raises: ValueError for anything but 8-bit RGB without interlace.
    """
    chunks = list(_read_chunks(png))
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[0][1])
    if kind != [8, 2, 0, 0, 0]:
        raise ValueError("not an 8-bit RGB picture")
    packed = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    rows = [list(zip(row[0::3], row[1::3], row[2::3], strict=True)) for row in _unfilter(packed, width * 3)]
    counted: Counter[Color] = Counter()
    for row in rows:
        counted.update(row)
    palette = [color for color, _ in counted.most_common(256)]
    index = {color: _find_nearest(palette, color) for color in counted}
    indexed = b"".join(b"\0" + bytes(index[color] for color in row) for row in rows)
    return _SIGNATURE + b"".join(
        _build_chunk(name, body)
        for name, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", b"".join(bytes(color) for color in palette)),
            (b"IDAT", zlib.compress(indexed, 9)),
            (b"IEND", b""),
        )
    )


def _read_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _build_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _unfilter(packed: bytes, size: int) -> Iterator[bytes]:
    above = bytes(size)
    for at in range(0, len(packed), size + 1):
        row = bytearray(packed[at + 1 : at + 1 + size])
        match packed[at]:
            case 1:
                for i in range(3, size):
                    row[i] = (row[i] + row[i - 3]) & 255
            case 2:
                row = bytearray((x + up) & 255 for x, up in zip(row, above, strict=True))
            case 3:
                for i in range(size):
                    row[i] = (row[i] + (((row[i - 3] if i > 2 else 0) + above[i]) >> 1)) & 255
            case 4:
                for i in range(size):
                    left, corner = (row[i - 3], above[i - 3]) if i > 2 else (0, 0)
                    row[i] = (row[i] + _paeth(left, above[i], corner)) & 255
        above = bytes(row)
        yield above


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def _find_nearest(palette: list[Color], color: Color) -> int:
    return min(range(len(palette)), key=lambda at: sum((a - b) ** 2 for a, b in zip(palette[at], color, strict=True)))
