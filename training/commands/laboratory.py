"""Commands that try things: compare, search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.errors import UnknownModel
from shared.packages import SHIPPED, find_packages, resolve
from training import data
from training.commands.options import DATA_DIR, DataDir, Download, Seed
from training.compare.contest import load_contest
from training.compare.entrants import KEYS, chosen
from training.compare.run import compare as run_compare

app = typer.Typer()

QUICK_TRAIN, QUICK_TEST = 2000, 1000


@app.command()
def compare(
    data_dir: DataDir = DATA_DIR,
    out: Annotated[Path, typer.Option("--out", help="Folder for rows, table and plots.")] = Path(
        "runs/compare"
    ),
    models: Annotated[
        str, typer.Option("--models", help="Those to compare, with commas between.")
    ] = ",".join(KEYS),
    train_size: Annotated[
        int | None,
        typer.Option(
            "--train-size", min=100, help="Images to learn from; by default 10,000 for svm, else all."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="The shipped package: name or name@version.")
    ] = "digits",
    packages: Annotated[
        Path, typer.Option("--packages", help="Folder that holds <name>/<version>/.")
    ] = SHIPPED,
    threads: Annotated[
        int, typer.Option("--threads", min=1, help="Threads of each, learning and reading.")
    ] = 1,
    seed: Seed = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"Learn from {QUICK_TRAIN} images, test on {QUICK_TEST}.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what is already there.")] = False,
    download: Download = False,
) -> None:
    """Compare the shipped network with textbook classifiers; goes on where it was interrupted."""
    most, tested = (train_size or QUICK_TRAIN, QUICK_TEST) if quick else (train_size, None)
    try:
        keys, package = chosen(models), resolve(find_packages([packages]), model)
        if download:
            data.fetch(data_dir)
        contest = load_contest(data_dir, package, seed=seed, threads=threads, most=most, tested=tested)
        run_compare(contest, keys, out, Console(stderr=True), fresh=fresh)
    except (ValueError, FileNotFoundError, UnknownModel) as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo((out / "compare.md").read_text(encoding="utf-8"))
