"""Train one network; stop and start again at any epoch with the same outcome."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Augmentation, augmentation
from training.data import Images, Labels, Set
from training.network import OUTPUTS, STRIDES, WIDTHS, DigitNet

CHECKPOINT = "checkpoint.pt"
HISTORY = "history.jsonl"

Shares = np.ndarray[Any, np.dtype[np.float32]]
Chosen = np.ndarray[Any, np.dtype[np.int64]]


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
    strides: tuple[int, ...] = STRIDES
    teaching: float = 0.8


class Part(NamedTuple):
    """A set in a pool: the share of it that an epoch shows, and the share of times that it is shown unbent."""

    data: Set
    shown: float = 1.0
    unbent: float = 0.0


class Pool(NamedTuple):
    """What epochs draw from.

    Images uint8 (N, 28, 28), labels int64 (N,); `shown` and `unbent` float32 (N,) as in `Part`; `chances` float16
    (N, outputs): what teachers say, None without teachers.
    """

    images: Images
    labels: Labels
    shown: Shares
    unbent: Shares
    chances: np.ndarray[Any, np.dtype[np.float16]] | None = None

    @classmethod
    def of(cls, *parts: Part) -> Pool:
        """Join sets."""
        images, labels = (np.concatenate([getattr(part.data, key) for part in parts]) for key in Set._fields)
        shown, unbent = (
            np.concatenate([np.full(len(part.data.labels), getattr(part, key), np.float32) for part in parts])
            for key in ("shown", "unbent")
        )
        return cls(images, labels, shown, unbent)

    def batches(self, size: int) -> int:
        """Return how many batches an epoch has: never more than what is drawn fills."""
        expected = float(self.shown.sum(dtype=np.float64))
        spread = float((self.shown * (1 - self.shown)).sum(dtype=np.float64)) ** 0.5
        return max(int(expected - 6 * spread) // size, 1)

    def order(self, size: int) -> Tensor:
        """Draw an epoch's images in random order; int64 (batches, size)."""
        drawn = torch.nonzero(torch.rand(len(self.shown)) < torch.from_numpy(self.shown)).flatten()
        count = self.batches(size)
        mixed = drawn[torch.randperm(len(drawn))]
        if len(mixed) < count * size:  # a pool of less than a batch goes round
            mixed = mixed.repeat(-(-count * size // max(len(mixed), 1)))
        return mixed[: count * size].view(count, size)


class Watch(Protocol):
    """Somebody who follows a training run."""

    def batch(self, done: int, of: int) -> None:
        """Take note of a batch, so many of an epoch's being done."""

    def epoch(self, line: dict[str, float]) -> None:
        """Take note of an epoch's figures."""


class Run:
    """One training run, kept in a folder."""

    def __init__(self, folder: Path, recipe: Recipe, batches: int, *, device: str | None = None) -> None:
        """Open a run of so many batches an epoch, or go on with the one that the folder holds."""
        torch.manual_seed(recipe.seed)
        self.folder, self.recipe, self.epoch = folder, recipe, 0
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = DigitNet(OUTPUTS, recipe.dropout, recipe.widths, recipe.strides).to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
        self.averaged = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay
        )
        steps = recipe.epochs * batches
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
        if not _is_of(saved["recipe"], self.recipe):
            raise ValueError(f"{path} belongs to another recipe; choose another --out folder")
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.epoch = saved["epoch"]

    def begin_from(self, network: DigitNet) -> None:
        """Begin with the weights of another network of the same widths."""
        self.network.load_state_dict(network.state_dict())
        self.averaged.load_state_dict(network.state_dict())

    def save(self) -> None:
        """Write the checkpoint so that a stop in the middle leaves the former one."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"recipe": _plain(self.recipe), "epoch": self.epoch}
        temporary = self.folder / f"{CHECKPOINT}.new"
        torch.save(state, temporary)
        temporary.replace(self.folder / CHECKPOINT)


def finished(folder: Path, recipe: Recipe) -> DigitNet:
    """Return the averaged network of a run that was trained to its end.

    Raises:
        ValueError: it was not, or by another recipe.
    """
    path = folder / CHECKPOINT
    saved: dict[str, Any] = {"epoch": 0}
    if path.is_file():
        saved = torch.load(path, weights_only=True, map_location="cpu")
    if saved["epoch"] < recipe.epochs:
        raise ValueError(
            f"{folder} has {saved['epoch']} of {recipe.epochs} epochs; train it to its end first"
        )
    if not _is_of(saved["recipe"], recipe):
        raise ValueError(f"{path} belongs to another recipe")
    network = DigitNet(OUTPUTS, recipe.dropout, recipe.widths, recipe.strides)
    network.load_state_dict(saved["averaged"])
    return network.eval()


def _is_of(written: dict[str, Any], recipe: Recipe) -> bool:
    """Say whether a checkpoint's recipe is this one; what it does not name was as usual when it was written."""
    return _plain(Recipe()) | written == _plain(recipe)


def _plain(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as it is written into a checkpoint."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}


def train(
    run: Run,
    pools: Pool | Sequence[Pool],
    held_out: Mapping[str, Set],
    *,
    how: Augmentation | None = None,
    until: int | None = None,
    watch: Watch | None = None,
) -> DigitNet:
    """Train the rest of a run's epochs, or those up to `until`, and return the averaged network.

    Of several pools each epoch takes the next. `how` is None for pictures that are bent already. Held-out sets
    are only reported, nothing is chosen by them.
    """
    several = [pools] if isinstance(pools, Pool) else pools
    while run.epoch < (until or run.recipe.epochs):
        started, worked = time.monotonic(), time.process_time()
        loss = _epoch(run, several[run.epoch % len(several)], how, watch)
        run.epoch += 1
        run.save()
        line: dict[str, float] = {"epoch": run.epoch, "loss": round(loss, 5)}
        for name, part in held_out.items():
            wrong = int((infer(run.averaged, part.images).argmax(1) != part.labels).sum())
            line |= {f"{name}_errors": wrong, f"{name}_count": len(part.labels)}
        line["seconds"] = round(time.monotonic() - started, 1)
        line["cpu_seconds"] = round(time.process_time() - worked, 1)
        with (run.folder / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if watch is not None:
            watch.epoch(line)
    return run.averaged


def _epoch(run: Run, pool: Pool, how: Augmentation | None, watch: Watch | None) -> float:
    """Go through a draw of the pool that only seed and epoch decide; return the mean loss."""
    torch.manual_seed(run.recipe.seed * 100_003 + run.epoch)
    bend = augmentation(how) if how else None
    batches = pool.order(run.recipe.batch)
    run.network.train()
    total = torch.zeros((), device=run.device)
    for done, batch in enumerate(batches, 1):
        chosen = batch.numpy()
        total += _step(run, show(pool, chosen, bend), pool, chosen)
        if watch is not None:
            watch.batch(done, len(batches))
    return float(total) / len(batches)


def show(pool: Pool, chosen: Chosen, bend: Any | None) -> Tensor:
    """Return images of a pool as float (N, 1, 28, 28), each bent, or at times as it is."""
    images = to_tensor(pool.images[chosen])
    if bend is None:
        return images
    unbent = torch.rand(len(images)) < torch.from_numpy(pool.unbent[chosen])
    return torch.where(unbent[:, None, None, None], images, bend(images))


def _step(run: Run, images: Tensor, pool: Pool, chosen: Chosen) -> Tensor:
    """Take one step of descent; return the loss before it."""
    images = images.to(run.device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.recipe.bf16):
        logits = run.network(images)
    loss = _loss(run, logits.float(), pool, chosen)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
    run.optimiser.step()
    run.schedule.step()
    _average(run)
    return loss.detach()


def _loss(run: Run, logits: Tensor, pool: Pool, chosen: Chosen) -> Tensor:
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
