"""Teach one small network what several know: it reads the same bent pictures and learns their mean answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.augment import Augmentation, augmentation
from training.bank import note
from training.train import Chosen, Pool, show

LESSON_BATCH = 512


def lesson(teachers: Sequence[nn.Module], pool: Pool, how: Augmentation, *, seed: int) -> Pool:
    """Return one draw of a pool, bent once for all, with the teachers' mean probabilities of each picture.

    A teacher's answer is worth more than a label: it says how a picture could be misread. Averaging probabilities
    and not logits keeps an ensemble's doubt (Lakshminarayanan et al., arXiv 1612.01474).
    """
    torch.manual_seed(seed)
    bend = augmentation(how)
    chosen = pool.order(LESSON_BATCH).flatten().numpy()
    images, chances = [], []
    for part in _parts(chosen):
        shown = (show(pool, part, bend) * 255).round()
        images.append(shown[:, 0].to(torch.uint8).numpy())
        chances.append(ask(teachers, shown / 255))
    everything = np.ones(len(chosen), np.float32)
    return Pool(np.concatenate(images), pool.labels[chosen], everything, everything, np.concatenate(chances))


def kept_lessons(folder: Path, passes: int, make: Callable[[int], Pool], name: str = "lesson") -> list[Pool]:
    """Return so many lessons from the folder; those that are not there are made and kept."""
    return [_kept(folder / f"{name}-{number}.npz", number, make) for number in range(passes)]


def _kept(path: Path, number: int, make: Callable[[int], Pool]) -> Pool:
    """Read a lesson, or make it and write it down."""
    if path.is_file():
        with np.load(path) as saved:
            return Pool(*(saved[name] for name in Pool._fields))
    worked = time.process_time()
    made = make(number)
    note(path.parent, path.name, time.process_time() - worked)
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        np.savez(file, **made._asdict())
    temporary.replace(path)
    return made


def _parts(chosen: Chosen) -> Iterator[Chosen]:
    """Part indices into batches."""
    for start in range(0, len(chosen), LESSON_BATCH):
        yield chosen[start : start + LESSON_BATCH]


@torch.no_grad()
def ask(
    teachers: Sequence[nn.Module], images: torch.Tensor
) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    """Return the mean of the teachers' probabilities; float16 (N, outputs)."""
    device = next(teachers[0].parameters()).device
    batch = images.to(device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cpu"):
        answers = [teacher(batch).float().softmax(1) for teacher in teachers]
    return np.asarray(torch.stack(answers).mean(0).cpu().numpy(), np.float16)
