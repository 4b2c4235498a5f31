"""Train one network; stop and start again at any epoch with the same outcome."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Augmentation, augmentation
from training.data import Images, Labels, Set
from training.network import OUTPUTS, WIDTHS, DigitNet

CHECKPOINT = "checkpoint.pt"
HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the data, decides the outcome.

    `teaching` is the share of the loss that follows the teachers' probabilities, where there are teachers.
    """

    epochs: int = 20
    batch: int = 256
    peak_rate: float = 5e-3
    weight_decay: float = 1e-2
    average: float = 0.999
    dropout: float = 0.3
    seed: int = 1
    bf16: bool = True
    widths: tuple[int, ...] = WIDTHS
    teaching: float = 0.8


class Pool(NamedTuple):
    """What an epoch goes through once.

    Images uint8 (N, 28, 28), labels int64 (N,), `spare` float32 (N,): the share of times that an image is shown
    as it is; `chances` float16 (N, outputs): what teachers say, None without teachers.
    """

    images: Images
    labels: Labels
    spare: np.ndarray[Any, np.dtype[np.float32]]
    chances: np.ndarray[Any, np.dtype[np.float16]] | None = None

    @classmethod
    def of(cls, *parts: tuple[Set, float]) -> Pool:
        """Join sets, each with the share of times that its images are shown as they are."""
        images, labels = (
            np.concatenate([getattr(part, key) for part, _ in parts]) for key in ("images", "labels")
        )
        spare = np.concatenate([np.full(len(part.labels), share, np.float32) for part, share in parts])
        return cls(images, labels, spare)

    def __len__(self) -> int:
        return len(self.labels)


class Watch(Protocol):
    """Somebody who follows a training run."""

    def batch(self, done: int, of: int) -> None:
        """Take note of a batch, so many of an epoch's being done."""

    def epoch(self, line: dict[str, float]) -> None:
        """Take note of an epoch's figures."""


class Run:
    """One training run, kept in a folder."""

    def __init__(self, folder: Path, recipe: Recipe, images: int, *, device: str | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.folder, self.recipe, self.epoch = folder, recipe, 0
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = DigitNet(OUTPUTS, recipe.dropout, recipe.widths).to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
        self.averaged = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay
        )
        steps = recipe.epochs * (images // recipe.batch)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.peak_rate, total_steps=steps, pct_start=0.15, final_div_factor=1e3
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def _parts(self) -> dict[str, Any]:
        """Name everything that has a state."""
        return {
            "network": self.network,
            "averaged": self.averaged,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
        }

    def _resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one of the same recipe."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        saved = torch.load(path, weights_only=True, map_location=self.device)
        if saved["recipe"] != _plain(self.recipe):
            raise ValueError(f"{path} belongs to another recipe; choose another --out folder")
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.epoch = saved["epoch"]

    def save(self) -> None:
        """Write the checkpoint so that a stop in the middle leaves the former one."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"recipe": _plain(self.recipe), "epoch": self.epoch}
        temporary = self.folder / f"{CHECKPOINT}.new"
        torch.save(state, temporary)
        temporary.replace(self.folder / CHECKPOINT)


def _plain(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as it is written into a checkpoint."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}


def train(
    run: Run,
    data: Pool | Set,
    held_out: Set | Mapping[str, Set],
    *,
    how: Augmentation | None = None,
    until: int | None = None,
    watch: Watch | None = None,
) -> DigitNet:
    """Train the rest of a run's epochs, or those up to `until`, and return the averaged network.

    `how` is None for pictures that are shown as they are. Held-out sets are only reported, never chosen by.
    """
    pool = Pool.of((data, 0.0)) if isinstance(data, Set) else data
    sets = {"held_out": held_out} if isinstance(held_out, Set) else held_out
    while run.epoch < (until or run.recipe.epochs):
        started = time.monotonic()
        loss = _epoch(run, pool, how, watch)
        run.epoch += 1
        run.save()
        line: dict[str, float] = {"epoch": run.epoch, "loss": round(loss, 5)}
        for name, part in sets.items():
            wrong = int((infer(run.averaged, part.images).argmax(1) != part.labels).sum())
            line |= {f"{name}_errors": wrong, f"{name}_count": len(part.labels)}
        line["seconds"] = round(time.monotonic() - started, 1)
        with (run.folder / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if watch is not None:
            watch.epoch(line)
    return run.averaged


def _epoch(run: Run, pool: Pool, how: Augmentation | None, watch: Watch | None) -> float:
    """Go through the pool once, in an order that only seed and epoch decide; return the mean loss."""
    torch.manual_seed(run.recipe.seed * 100_003 + run.epoch)
    bend = augmentation(how) if how else None
    order = torch.randperm(len(pool))
    batches = order[: len(order) // run.recipe.batch * run.recipe.batch].view(-1, run.recipe.batch)
    run.network.train()
    total = torch.zeros((), device=run.device)
    for done, batch in enumerate(batches, 1):
        chosen = batch.numpy()
        images = to_tensor(pool.images[chosen])
        if bend is not None:
            spared = (
                torch.rand(len(images), 1, 1, 1) < torch.from_numpy(pool.spare[chosen])[:, None, None, None]
            )
            images = torch.where(spared, images, bend(images))
        images = images.to(run.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(run.device.type, torch.bfloat16, enabled=run.recipe.bf16):
            logits = run.network(images)
        loss = _loss(run, logits.float(), pool, chosen)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        run.optimiser.step()
        run.schedule.step()
        _average(run)
        total += loss.detach()
        if watch is not None:
            watch.batch(done, len(batches))
    return float(total) / len(batches)


def _loss(run: Run, logits: Tensor, pool: Pool, chosen: np.ndarray[Any, Any]) -> Tensor:
    """Return cross-entropy against the labels, mixed with that against what the teachers say.

    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531), at temperature 1.
    """
    labels = torch.from_numpy(pool.labels[chosen]).to(run.device)
    hard = functional.cross_entropy(logits, labels)
    if pool.chances is None:
        return hard
    chances = torch.from_numpy(pool.chances[chosen].astype(np.float32)).to(run.device)
    return hard + run.recipe.teaching * (functional.cross_entropy(logits, chances) - hard)


@torch.no_grad()
def _average(run: Run) -> None:
    """Move the averaged network a little towards the trained one, faster in the beginning."""
    step = run.schedule.last_epoch
    keep = min(run.recipe.average, (1 + step) / (10 + step))
    mean = list(run.averaged.state_dict().values())
    now = list(run.network.state_dict().values())
    moving = [index for index, value in enumerate(mean) if value.is_floating_point()]
    torch._foreach_lerp_([mean[k] for k in moving], [now[k] for k in moving], 1 - keep)
    for index, value in enumerate(mean):
        if not value.is_floating_point():
            value.copy_(now[index])


def to_tensor(images: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """Turn uint8 (N, 28, 28) into float (N, 1, 28, 28) in 0..1, as the card's input says."""
    return torch.from_numpy(images.astype(np.float32) / 255)[:, None]


@torch.no_grad()
def infer(
    network: nn.Module, images: np.ndarray[Any, np.dtype[np.uint8]]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return logits float32 (N, outputs)."""
    network.eval()
    device = next(network.parameters()).device
    parts = np.array_split(images, max(1, len(images) // 500))
    return torch.cat([network(to_tensor(part).to(device)).cpu() for part in parts]).numpy()
