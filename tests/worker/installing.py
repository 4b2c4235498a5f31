"""Install folders as a person would, for tests of own networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from tests.networks import COLOURS
from worker.install.make import make_package
from worker.install.refusal import Refused
from worker.install.store import publish, staging


def install(folder: Path, root: Path, **options: object) -> bool:
    """Make and publish; tell whether it is new."""
    with staging(root) as stage:
        return publish(make_package(folder, stage, options), root, ())


def refusal(folder: Path, root: Path, options: Mapping[str, object] | None = None) -> str:
    """Return why a folder is refused; nothing may be left of the try."""
    with pytest.raises(Refused) as refused:
        install(folder, root, **(options or {}))
    assert [path.name for path in root.iterdir()] == [".lock"]
    return f"{refused.value} {refused.value.fix}"


def exported(folder: Path, network: torch.nn.Module) -> Path:
    """Write a network for 3×8×8 pictures by torch.export, with labels."""
    folder.mkdir()
    program = torch.export.export(network, (torch.rand(1, 3, 8, 8),))
    torch.export.save(program, folder / "network.pt2")
    (folder / "labels.txt").write_text("\n".join(COLOURS))
    return folder


def net(*more: torch.nn.Module) -> torch.nn.Sequential:
    """Make a small network."""
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 3, 3), *more, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
