"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path, typer.Option("--data-dir", help="Folder of MNIST's four idx files.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of this run: checkpoint and history.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch MNIST by torchvision first.")]
Epochs = Annotated[int, typer.Option("--epochs", help="Times through the data.")]
Seed = Annotated[int, typer.Option("--seed", help="Decides split, order and augmentation.")]
Models = Annotated[Path, typer.Option("--models", help="Folder that holds <name>/<version>/.")]

DATA_DIR = Path("data/mnist")
RUN_DIR = Path("runs/digits")
