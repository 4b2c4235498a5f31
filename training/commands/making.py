"""Commands that make: train, export, package, samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from shared.packages import SHIPPED
from training import data
from training.commands.options import DATA_DIR, RUN_DIR, DataDir, Download, Epochs, Models, Out, Seed
from training.export import export as write_exports
from training.network import fold
from training.package import Origin, make_package
from training.samples import make_samples
from training.train import Recipe, Run
from training.train import train as run_training

app = typer.Typer()


def _load_run(data_dir: Path, out: Path, recipe: Recipe) -> tuple[data.Split, Run]:
    """Read the data, part it, and open the run's folder."""
    parts = data.split(data.load(data_dir, "train"), data_dir, seed=recipe.seed)
    return parts, Run(out, recipe, len(parts.train.labels))


@app.command()
def train(
    data_dir: DataDir = DATA_DIR,
    out: Out = RUN_DIR,
    epochs: Epochs = 60,
    seed: Seed = 1,
    threads: Annotated[int, typer.Option("--threads", help="Threads of torch.")] = 2,
    download: Download = False,
) -> None:
    """Train the network, or go on where a run was interrupted."""
    torch.set_num_threads(threads)
    if download:
        data.fetch(data_dir)
    parts, run = _load_run(data_dir, out, Recipe(epochs=epochs, seed=seed))
    run_training(run, parts.train, parts.held_out)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where model.onnx and model.pt2 go.")],
    data_dir: DataDir = DATA_DIR,
    out: Out = RUN_DIR,
    epochs: Epochs = 60,
    seed: Seed = 1,
) -> None:
    """Write a run's network as ONNX and torch.export, and compare both with it."""
    _, run = _load_run(data_dir, out, Recipe(epochs=epochs, seed=seed))
    write_exports(fold(run.averaged), folder)


@app.command()
def package(
    version: Annotated[str, typer.Option("--version", help="Version of the package, such as 1.0.0.")],
    data_dir: DataDir = DATA_DIR,
    out: Out = RUN_DIR,
    epochs: Epochs = 60,
    seed: Seed = 1,
    models: Models = SHIPPED,
) -> None:
    """Calibrate and export a finished run as models/digits/<version>/, with its card."""
    parts, run = _load_run(data_dir, out, Recipe(epochs=epochs, seed=seed))
    if run.epoch < epochs:
        raise typer.BadParameter(f"the run has {run.epoch} of {epochs} epochs; train it to its end first")
    command = f"python -m training train --data-dir {DATA_DIR} --epochs {epochs} --seed {seed}"
    make_package(run.averaged, parts.held_out, models, Origin(version, run.recipe, command, parts.by_writer))
    typer.echo(f"{models / 'digits' / version}")


@app.command()
def samples(
    data_dir: DataDir = DATA_DIR,
    folder: Annotated[Path, typer.Option("--folder", help="Where the samples go.")] = Path("samples"),
    seed: Seed = 1,
) -> None:
    """Make the sample zip and pictures from MNIST's test images."""
    make_samples(data.load(data_dir, "test"), folder, seed=seed)
