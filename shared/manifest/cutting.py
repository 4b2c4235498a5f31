"""Cut a job into chunks: even pieces of estimated work that a worker finishes in about a second."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.records import Outcome, Records

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Costs:
    """What an item costs a worker, roughly; measured on one core.

    Attributes:
        item_s: read, prepare, infer and write one small image.
        byte_s: decode one inflated byte (a page of 1 MB takes 30–60 ms).
        page_s: what a page of a TIFF or PDF costs besides, as its bytes say little.
        refused_s: an item that fails or is skipped without being read.
    """

    item_s: float = 150e-6
    byte_s: float = 40e-9
    page_s: float = 40e-3
    refused_s: float = 10e-6


def cut_chunks(
    records: Records,
    *,
    target_s: float = 1.0,
    max_items: int = 1000,
    max_bytes: int = 32 * 1024 * 1024,
    costs: Costs = Costs(),
) -> list[tuple[int, int]]:
    """Return the chunks `(first_seq, end_seq)` of a manifest: contiguous, gap-free, of even weight.

    A chunk has at most `max_items` items, and at most `max_bytes` stored bytes and `target_s` of estimated
    work (exceeded by less than one item; a large item may stand alone).
    """
    if len(records) == 0:
        return []
    pages = np.maximum(records["pages"].astype(np.float64), 1)
    stored = np.where(records["outcome"] == Outcome.OPEN, records["comp_size"] / pages, 0.0)
    weight = np.maximum(estimate(records, costs) / target_s, np.maximum(stored / max_bytes, 1 / max_items))
    total = float(weight.sum())
    wanted = max(1, int(np.ceil(total - 1e-6)))
    middle = np.cumsum(weight) - weight / 2
    number = np.minimum((middle * (wanted / total)).astype(np.int64), wanted - 1)
    cuts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(records)]
    chunks: list[tuple[int, int]] = []
    for first, end in itertools.pairwise(cuts):
        parts = -(-(end - first) // max_items)
        edges = np.linspace(first, end, parts + 1).round().astype(int).tolist()
        chunks += itertools.pairwise(edges)
    return chunks


def estimate(records: Records, costs: Costs) -> Floats:
    """Return the estimated seconds of work of each item, (N,)."""
    size = records["size"].astype(np.float64)
    pages = np.maximum(records["pages"].astype(np.float64), 1)
    has_pages = records["pages"] > 0
    seconds = costs.item_s + costs.byte_s * size / pages + np.where(has_pages, costs.page_s, 0.0)
    return np.where(records["outcome"] == Outcome.OPEN, seconds, costs.refused_s)
