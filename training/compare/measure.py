"""Let each entrant learn and read: the same images, the same threads, the test images read once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from training.compare.contest import Contest
from training.compare.entrant import Progress, Reader
from training.compare.entrants import SHIPPED, find_entrant
from training.compare.rows import Row
from training.compare.shipped import Shipped, training_seconds

BATCH = 250
"""Images that are read at once."""


def measure(contest: Contest, key: str, progress: Progress) -> Row:
    """Let one entrant learn and read the test images; `progress` hears first of the one, then of the other."""
    with limited(contest.threads):
        if key == SHIPPED:
            reader: Reader = Shipped(contest.package, contest.threads)
            title, seconds = f"shipped CNN ({contest.package.ref})", training_seconds(contest.package)
        else:
            entrant = find_entrant(key)
            reader, title = entrant.make(contest.seed, contest.threads), entrant.title
            seconds = _learn(reader, contest, contest.share(entrant), progress)
        right, spent = _read(reader, contest, progress)
    return Row(contest.terms(key), title, right, seconds, spent, reader.size())


def _learn(reader: Reader, contest: Contest, count: int, progress: Progress) -> float:
    """Learn from so many images, drawn by the seed, and return the seconds."""
    drawn = np.random.default_rng(contest.seed).permutation(len(contest.train.labels))[:count]
    images, labels = contest.train.images[drawn], contest.train.labels[drawn]
    started = time.perf_counter()
    reader.learn(images, labels, progress)
    return time.perf_counter() - started


def _read(reader: Reader, contest: Contest, progress: Progress) -> tuple[int, float]:
    """Read the test images once, after one batch of training images as a warm-up; return hits and seconds."""
    reader.read(contest.train.images[:BATCH])
    right, spent, count = 0, 0.0, len(contest.test.labels)
    for start in range(0, count, BATCH):
        images = contest.test.images[start : start + BATCH]
        started = time.perf_counter()
        answers = reader.read(images)
        spent += time.perf_counter() - started
        right += int((answers == contest.test.labels[start : start + BATCH]).sum())
        progress(min(start + BATCH, count) / count)
    return right, spent


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Hold NumPy, scikit-learn and torch to so many threads, and leave torch as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)
