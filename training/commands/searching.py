"""Commands that look for a recipe: search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from training import data
from training.bank import Stock
from training.commands.options import DATA_DIR, DataDir, Download, Epochs, Seed
from training.course import Course, School
from training.plan import Plan
from training.progress import Bars
from training.search import OtherPlanError
from training.search import search as run_search
from training.study import best_command, write_study
from training.train import Part, Pool, Recipe
from training.trial import Material

app = typer.Typer()


@app.command()
def search(
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Recipes tried in all, earlier calls'.")
    ] = 20,
    epochs: Epochs = 6,
    study: Annotated[Path, typer.Option("--study", help="Folder of the study.")] = Path("runs/search"),
    data_dir: DataDir = DATA_DIR,
    images: Annotated[int, typer.Option("--images", min=0, help="Training images; 0 for all.")] = 12_000,
    pages: Annotated[
        int,
        typer.Option(
            "--pages", min=0, help="Digits drawn on pages, as many spoilt small, half as much junk."
        ),
    ] = 8_000,
    parameters: Annotated[int, typer.Option("--parameters", help="Most parameters.")] = Plan.parameters,
    products: Annotated[int, typer.Option("--products", help="Most multiply–adds an image.")] = Plan.products,
    seed: Seed = 1,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")] = 2,
    device: Annotated[str | None, typer.Option("--device", help="Else a GPU where there is one.")] = None,
    download: Download = False,
) -> None:
    """Search widths, dropout, learning rate and augmentation; goes on where it was interrupted.

    Recipes are judged on writers held out from training, on their digits as they are and on pages.
    """
    torch.set_num_threads(threads)
    _check_device(device)
    plan = Plan(trials, Recipe(epochs=epochs, seed=seed), parameters=parameters, products=products)
    try:
        if download:
            data.fetch(data_dir)
        material = _material(data_dir, study, (images, pages), seed)
        with Bars(epochs, name="search") as bars:
            found = run_search(study, plan, material.pool, material.held_out, device=device, watch=bars)
    except (OtherPlanError, ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from error
    except BlockingIOError as error:
        raise typer.BadParameter(f"another search works in {study}") from error
    write_study(found, study)
    typer.echo((study / "trials.md").read_text(encoding="utf-8"))
    typer.echo(best_command(study, data_dir, Course().student.epochs))


def _check_device(device: str | None) -> None:
    """Refuse a device that torch does not know or that is not here, before any picture is drawn."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        known = f"torch cannot compute on {device!r} here; leave it out, or say cpu, cuda or cuda:N"
        raise typer.BadParameter(known, param_hint="--device") from error


def _material(data_dir: Path, folder: Path, sizes: tuple[int, int], seed: int) -> Material:
    """Part MNIST's training images by writers, and draw pages and junk of either part, as for a course."""
    images, pages = sizes
    parts = data.split(data.load(data_dir, "train"), data_dir, seed=seed)
    few = data.Set(parts.train.images[: images or None], parts.train.labels[: images or None])
    if not pages:
        return Material(Pool.of(Part(few, unbent=0.15)), {"held_out": parts.held_out})
    drawn = Stock(scenes=pages, small=pages, junk=pages // 2, numerals=pages // 5, seed=seed)
    school = School(folder, parts._replace(train=few), Course(teachers=0, stock=drawn))
    return Material(school.pool(), school.held_out())
