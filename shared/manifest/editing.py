"""Make a new manifest of an old one: a record a page, or only some items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from shared.errors import ItemError, TooManyPages
from shared.manifest.layout import pack, read_all
from shared.records import MAY_HAVE_PAGES, REASON_OF, Outcome, Records
from shared.sources import ByteSource


def select(source: ByteSource | bytes, seqs: Sequence[int] | npt.NDArray[np.int64]) -> bytes:
    """Build the manifest of a retry from some items of another; inputs and pages stay, seqs become dense.

    Args:
        source: the old manifest.
        seqs: the items, in their new order.
    """
    old = read_all(source)
    return _repack(old.records[np.asarray(seqs, dtype=np.int64)], old.names, old.names_start)


def expand(
    source: ByteSource | bytes, pages: Mapping[int, int | ItemError], *, max_items: int | None = None
) -> bytes:
    """Build the final manifest from that of the inputs: a file of k pages becomes k records.

    Args:
        source: the manifest of the inputs.
        pages: how many pages the file of a seq has, or why that cannot be told; others stay one item.
        max_items: a file whose pages would lift the total above this becomes one failed `too_many_pages`.
    """
    old = read_all(source)
    records = old.records.copy()
    times = np.ones(len(records), dtype=np.int64)
    room = None if max_items is None else max_items - len(records)
    for seq, found in sorted(pages.items()):
        outcome = found if isinstance(found, ItemError) else max(1, found)
        if isinstance(outcome, int) and room is not None and outcome - 1 > max(0, room):
            outcome = TooManyPages()
        if isinstance(outcome, ItemError):
            records["outcome"][seq], records["reason"][seq] = Outcome.FAILED, REASON_OF[outcome.code]
            continue
        room = None if room is None else room - (outcome - 1)
        records["pages"][seq], times[seq] = outcome, outcome
    records["flags"] &= np.uint8(~MAY_HAVE_PAGES & 0xFF)
    return _repack(_number_pages(records, times), old.names, old.names_start)


def _number_pages(records: Records, times: npt.NDArray[np.int64]) -> Records:
    """Repeat each record and number the pages of those that have some from 1."""
    out = np.repeat(records, times)
    first = np.repeat(np.cumsum(times) - times, times)
    out["page"] = np.where(out["pages"] > 0, np.arange(len(out)) - first + 1, out["page"])
    return out


def _repack(records: Records, names: bytes, names_start: int) -> bytes:
    """Build a manifest with only the names that its records need; neighbours of one name share it."""
    offsets = records["name_off"].astype(np.int64) - names_start
    lengths = (records["name_len"] + records["cid_len"]).astype(np.int64)
    is_first = np.ones(len(records), dtype=bool)
    is_first[1:] = (offsets[1:] != offsets[:-1]) | (lengths[1:] != lengths[:-1])
    begins, kept = offsets[is_first], lengths[is_first]
    blob = b"".join([names[a : a + n] for a, n in zip(begins.tolist(), kept.tolist(), strict=True)])
    out = records.copy()
    if len(records):
        out["name_off"] = (np.cumsum(kept) - kept)[np.cumsum(is_first) - 1]
    return pack(out, blob)
