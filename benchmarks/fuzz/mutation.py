"""Damage to bytes: single bits, numbers at their limits, blocks moved, cut and doubled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

Change = Callable[[bytearray, int, Random], None]

LIMITS = (0, 1, 2, 3, 7, 8, 16, 64, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65535, 65536)
LARGE = (2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


def number(chance: Random, width: int) -> int:
    """Return a number of `width` bytes, mostly one at which counting goes wrong."""
    top: int = 256**width
    match chance.randrange(8):
        case 0:
            return chance.randrange(top)
        case 1:
            return chance.choice(LARGE) % top
        case 2:
            return top - 1 - chance.randrange(64)
        case _:
            return (chance.choice(LIMITS) + chance.randrange(-1, 2)) % top


def mutate(data: bytes, chance: Random, *, most: int = 6, words: Sequence[bytes] = ()) -> bytes:
    """Change a few places of some bytes.

    Args:
        words: what the format is made of; sometimes one is put in.
    """
    mutable = bytearray(data)
    for _ in range(chance.randint(1, most)):
        at = chance.randrange(len(mutable) + 1)
        if words and chance.random() < 0.3:
            word = chance.choice(words)
            mutable[at : at + chance.choice((0, len(word)))] = word
        else:
            chance.choice(_CHANGES)(mutable, at, chance)
    return bytes(mutable)


def _flip(mutable: bytearray, at: int, chance: Random) -> None:
    if at < len(mutable):
        mutable[at] ^= 1 << chance.randrange(8)


def _set(mutable: bytearray, at: int, chance: Random) -> None:
    if at < len(mutable):
        mutable[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def _number(mutable: bytearray, at: int, chance: Random) -> None:
    width = chance.choice((1, 2, 2, 4, 4, 8))
    if at + width <= len(mutable):
        order = chance.choice(("little", "big"))
        mutable[at : at + width] = number(chance, width).to_bytes(width, order)  # type: ignore[arg-type]


def _count(mutable: bytearray, at: int, chance: Random) -> None:
    if at < len(mutable):
        mutable[at] = (mutable[at] + chance.choice((-2, -1, 1, 2))) % 256


def _cut(mutable: bytearray, at: int, chance: Random) -> None:
    del mutable[at : at + chance.choice((1, 2, 4, 16, 256))]


def _end(mutable: bytearray, at: int, chance: Random) -> None:
    if chance.random() < 0.3:
        del mutable[at:]


def _double(mutable: bytearray, at: int, chance: Random) -> None:
    block = bytes(mutable[at : at + chance.choice((1, 4, 16, 64, 512))])
    mutable[at:at] = block * chance.choice((1, 1, 2, 16))


def _move(mutable: bytearray, at: int, chance: Random) -> None:
    source = chance.randrange(len(mutable) + 1)
    block = bytes(mutable[source : source + chance.choice((1, 2, 4, 16, 64))])
    mutable[at : at + len(block)] = block


def _insert(mutable: bytearray, at: int, chance: Random) -> None:
    mutable[at:at] = chance.randbytes(chance.choice((1, 2, 4, 16)))


def _wipe(mutable: bytearray, at: int, chance: Random) -> None:
    end = min(len(mutable), at + chance.choice((2, 4, 32)))
    mutable[at:end] = bytes([chance.choice((0, 0xFF))]) * (end - at)


_CHANGES: tuple[Change, ...] = (
    _flip,
    _set,
    _number,
    _number,
    _count,
    _cut,
    _end,
    _double,
    _move,
    _insert,
    _wipe,
)
