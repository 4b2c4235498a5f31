"""Commands that measure: evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from shared.packages import SHIPPED, find_packages, load_package, resolve
from training import data
from training.commands.options import DATA_DIR, DataDir, Models
from training.evaluate import evaluate_folder, evaluate_set
from training.package import write_card

app = typer.Typer()


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
