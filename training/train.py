"""Train one network; stop and start again at any epoch with the same outcome."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Augmentation, augment
from training.data import Set
from training.network import DigitNet

CHECKPOINT = "checkpoint.pt"
HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the data, decides the outcome."""

    epochs: int = 60
    batch: int = 128
    peak_rate: float = 4e-3
    weight_decay: float = 1e-2
    average: float = 0.999
    dropout: float = 0.3
    seed: int = 1
    bf16: bool = True


class Run:
    """One training run, kept in a folder."""

    def __init__(self, folder: Path, recipe: Recipe, images: int) -> None:
        torch.manual_seed(recipe.seed)
        self.folder, self.recipe, self.epoch = folder, recipe, 0
        self.network = DigitNet(dropout=recipe.dropout)
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
        saved = torch.load(path, weights_only=True)
        if saved["recipe"] != asdict(self.recipe):
            raise ValueError(f"{path} belongs to another recipe; choose another --out folder")
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.epoch = saved["epoch"]

    def save(self) -> None:
        """Write the checkpoint so that a stop in the middle leaves the former one."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"recipe": asdict(self.recipe), "epoch": self.epoch}
        temporary = self.folder / f"{CHECKPOINT}.new"
        torch.save(state, temporary)
        temporary.replace(self.folder / CHECKPOINT)


def train(
    run: Run, data: Set, held_out: Set, *, how: Augmentation | None = None, until: int | None = None
) -> DigitNet:
    """Train the rest of a run's epochs, or those up to `until`, and return the averaged network."""
    images, labels = to_tensor(data.images), torch.from_numpy(data.labels)
    while run.epoch < (until or run.recipe.epochs):
        started = time.monotonic()
        loss = _epoch(run, images, labels, how or Augmentation())
        run.epoch += 1
        run.save()
        logits = infer(run.averaged, held_out.images)
        wrong = int((logits.argmax(1) != held_out.labels).sum())
        line = {
            "epoch": run.epoch,
            "loss": round(loss, 5),
            "held_out_errors": wrong,
            "held_out_count": len(held_out.labels),
            "seconds": round(time.monotonic() - started, 1),
        }
        with (run.folder / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
    return run.averaged


def _epoch(run: Run, images: Tensor, labels: Tensor, how: Augmentation) -> float:
    """Go through the data once, in an order that only seed and epoch decide; return the mean loss."""
    generator = torch.Generator().manual_seed(run.recipe.seed * 100_003 + run.epoch)
    torch.manual_seed(run.recipe.seed * 100_003 + run.epoch)
    order = torch.randperm(len(images), generator=generator)
    batches = order[: len(order) // run.recipe.batch * run.recipe.batch].view(-1, run.recipe.batch)
    run.network.train()
    total = 0.0
    for chosen in batches:
        bent = augment(images[chosen], how, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=run.recipe.bf16):
            logits = run.network(bent)
        loss = functional.cross_entropy(logits.float(), labels[chosen])
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        run.optimiser.step()
        run.schedule.step()
        _average(run)
        total += loss.item()
    return total / len(batches)


@torch.no_grad()
def _average(run: Run) -> None:
    """Move the averaged network a little towards the trained one, faster in the beginning."""
    step = run.schedule.last_epoch
    keep = min(run.recipe.average, (1 + step) / (10 + step))
    mean, now = run.averaged.state_dict(), run.network.state_dict()
    for name, value in mean.items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - keep)
        else:
            value.copy_(now[name])


def to_tensor(images: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """Turn uint8 (N, 28, 28) into float (N, 1, 28, 28) in 0..1, as the card's input says."""
    return torch.from_numpy(images.astype(np.float32) / 255)[:, None]


@torch.no_grad()
def infer(
    network: nn.Module, images: np.ndarray[Any, np.dtype[np.uint8]]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return logits float32 (N, outputs)."""
    network.eval()
    parts = [network(to_tensor(part)) for part in np.array_split(images, max(1, len(images) // 1000))]
    return torch.cat(parts).numpy()
