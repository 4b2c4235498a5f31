"""Commands for the model registry: register."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.errors import InkqueueError
from shared.packages import load_package
from training.tracking import register as run_register

app = typer.Typer()


@app.command()
def register(
    folder: Annotated[Path, typer.Argument(help="A package's folder, such as models/digits/2.4.0.")],
    alias: Annotated[
        str | None, typer.Option("--alias", help="Give the version this alias: champion.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the registered model; else the package's.")
    ] = None,
) -> None:
    """Register a package in MLflow's model registry, with its checksum."""
    try:
        package = load_package(folder.resolve())
        number = run_register(package, name=name, alias=alias)
    except InkqueueError as error:
        raise typer.BadParameter(error.detail) from error
    typer.echo(f"mlflow:{name or package.name}@{alias or number}")
