"""The laboratory's commands: `python -m training …`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from shared.packages import SHIPPED, find_packages, load_package, resolve
from training import data
from training.evaluate import evaluate_folder, evaluate_set
from training.export import export as write_exports
from training.network import fold
from training.package import Origin, make_package, write_card
from training.samples import make_samples
from training.train import Recipe, Run
from training.train import train as run_training

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make and measure model packages.")

DataDir = Annotated[Path, typer.Option("--data-dir", help="Folder of MNIST's four idx files.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of this run: checkpoint and history.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch MNIST by torchvision first.")]
Epochs = Annotated[int, typer.Option("--epochs", help="Times through the data.")]
Seed = Annotated[int, typer.Option("--seed", help="Decides split, order and augmentation.")]
Models = Annotated[Path, typer.Option("--models", help="Folder that holds <name>/<version>/.")]

DATA_DIR = Path("data/mnist")
RUN_DIR = Path("runs/digits")


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
def evaluate(
    model: Annotated[str, typer.Option("--model", help="name or name@version")] = "digits",
    data_dir: DataDir = DATA_DIR,
    real_digits: Annotated[
        Path | None, typer.Option("--real-digits", help="Folder of real images with labels.csv.")
    ] = None,
    models: Models = SHIPPED,
    write: Annotated[bool, typer.Option("--write", help="Write the figures into the card.")] = False,
) -> None:
    """Measure a package on the untouched MNIST test images and, if given, on a folder of real ones."""
    chosen = resolve(find_packages([models]), model)
    figures = evaluate_set(chosen, data.load(data_dir, "test"), "MNIST test")
    if real_digits is not None:
        figures += evaluate_folder(chosen, real_digits)
    typer.echo(json.dumps(figures, indent=2, ensure_ascii=False))
    if write:
        card = load_package(chosen.path).card
        fresh = {(figure["name"], figure["data"]) for figure in figures}
        kept = [figure for figure in card["metrics"] if (figure["name"], figure["data"]) not in fresh]
        card["metrics"] = kept + figures
        write_card(card, chosen.path)


@app.command()
def samples(
    data_dir: DataDir = DATA_DIR,
    folder: Annotated[Path, typer.Option("--folder", help="Where the samples go.")] = Path("samples"),
    seed: Seed = 1,
) -> None:
    """Make the sample zip and pictures from MNIST's test images."""
    make_samples(data.load(data_dir, "test"), folder, seed=seed)
