"""TIFFs written tag by tag, both byte orders, classic and big; or real ones with a few tags changed (TIFF 6.0)."""

from __future__ import annotations

import struct
from random import Random

from benchmarks.fuzz.mutation import mutate, number
from benchmarks.fuzz.seeds import whole

_TAGS = (
    254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 284, 292, 293, 296, 317, 320, 322,
    323, 324, 325, 330, 332, 338, 339, 347, 512, 513, 514, 530, 531, 532, 700, 33432, 33723, 34377, 34665,
    34675, 34853, 37724, 50706, 65535,
)  # fmt: skip
_PACKINGS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 34925, 34926, 50000, 50001, 0, 65535)
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}


def make_tiff(chance: Random) -> bytes:
    """Make a TIFF."""
    if chance.random() < 0.5:
        return _written(chance)
    data = chance.choice(whole("tiff"))
    return _retagged(data, chance) if chance.random() < 0.7 else mutate(data, chance)


def _retagged(data: bytes, chance: Random) -> bytes:
    """Change fields of the directories of a real file."""
    mutable = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    at, seen = struct.unpack_from(order + "I", data, 4)[0], 0
    while 0 < at < len(data) - 2 and seen < 4:
        (count,) = struct.unpack_from(order + "H", data, at)
        for i in range(count):
            if chance.random() < 0.1:
                _change_entry(mutable, at + 2 + 12 * i, order, chance)
        following = at + 2 + 12 * count
        if following + 4 > len(data):
            break
        (at,) = struct.unpack_from(order + "I", data, following)
        if chance.random() < 0.05:
            struct.pack_into(order + "I", mutable, following, number(chance, 4))
        seen += 1
    return bytes(mutable)


def _change_entry(mutable: bytearray, at: int, order: str, chance: Random) -> None:
    """Change tag, type, count or value of one entry."""
    if at + 12 > len(mutable):
        return
    match chance.randrange(5):
        case 0:
            struct.pack_into(order + "H", mutable, at, chance.choice(_TAGS))
        case 1:
            struct.pack_into(order + "H", mutable, at + 2, chance.choice((*_SIZES, 0, 99)))
        case 2:
            struct.pack_into(order + "I", mutable, at + 4, number(chance, 4))
        case 3:
            struct.pack_into(order + "I", mutable, at + 8, number(chance, 4))
        case _:
            struct.pack_into(order + "H", mutable, at + 8, chance.choice((*_PACKINGS, number(chance, 2))))


def _written(chance: Random) -> bytes:
    """Write a file from nothing: one to three pages with a strip each, some of their tags wrong."""
    order, big = chance.choice("<>"), chance.random() < 0.3
    data = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42))
    data += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8)
    pages = chance.choice((1, 1, 2, 3))
    for page in range(pages):
        entries = _entries(chance)
        width = 20 if big else 12
        size = (8 + len(entries) * width + 8) if big else (2 + len(entries) * width + 4)
        strip = chance.randbytes(chance.choice((0, 10, 784, 3000)))
        blob_at = len(data) + size
        out, blob = bytearray(), bytearray()
        for tag, kind, values in entries:
            if tag in (273, 324):
                values = [blob_at] * len(values)
            elif tag in (279, 325):
                values = [len(strip)] * len(values)
            out += _entry(tag, kind, values, order, big, blob_at + len(strip), blob, chance)
        following = blob_at + len(strip) + len(blob) if page + 1 < pages else 0
        if chance.random() < 0.05:
            following = chance.choice((8, 16, number(chance, 4)))
        count = struct.pack(order + ("Q" if big else "H"), len(entries))
        data += count + out + struct.pack(order + ("Q" if big else "I"), following) + strip + blob
    return bytes(data)


def _entries(chance: Random) -> list[tuple[int, int, list[int]]]:
    """Choose the tags of one page: a sound grey or colour picture, then a few others."""
    side = chance.choice((1, 8, 28, 28, 100, 2000))
    samples = chance.choice((1, 1, 3, 4))
    bits = chance.choice((1, 2, 4, 8, 8, 12, 16, 32))
    sound: dict[int, tuple[int, list[int]]] = {
        256: (3, [side]), 257: (3, [chance.choice((side, 28))]), 258: (3, [bits] * samples),
        259: (3, [chance.choice(_PACKINGS)]), 262: (3, [chance.choice((0, 1, 2, 3, 4, 5, 6, 8, 32803))]), 273: (4, [0]),
        277: (3, [samples]), 278: (3, [chance.choice((side, 1, 0))]), 279: (4, [0]),
    }  # fmt: skip
    if chance.random() < 0.2:
        sound |= {322: (3, [chance.choice((16, 0, 64))]), 323: (3, [16]), 324: (4, [0]), 325: (4, [0])}
    for _ in range(chance.choice((0, 0, 1, 2, 5))):
        tag = chance.choice(_TAGS)
        if chance.random() < 0.3:
            sound.pop(tag, None)
        else:
            values = [number(chance, 2) for _ in range(chance.choice((1, 1, 2, 4, 300)))]
            sound[tag] = chance.choice((3, 4, 5, 7, 1, 2, 12)), values
    ordered = list(sound.items())
    if chance.random() < 0.9:
        ordered.sort()
    return [(tag, kind, values) for tag, (kind, values) in ordered]


def _entry(
    tag: int, kind: int, values: list[int], order: str, big: bool, at: int, blob: bytearray, chance: Random
) -> bytes:
    """Write one entry; what does not fit goes into the blob."""
    size = _SIZES[kind]
    packed = b"".join((v % 256**size).to_bytes(size, "little" if order == "<" else "big") for v in values)
    room = 8 if big else 4
    count = len(values) if chance.random() < 0.97 else number(chance, 4)
    head = struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count)
    if len(packed) <= room:
        return head + packed.ljust(room, b"\0")
    blob += packed
    return head + struct.pack(order + ("Q" if big else "I"), at + len(blob) - len(packed))
