"""The laboratory's commands: `python -m training …` and `inkqueue-train`."""

from __future__ import annotations

import typer

from training.commands import laboratory, making, measuring, registering, searching

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make and measure model packages.")
for part in (making, measuring, laboratory, searching, registering):
    app.registered_commands += part.app.registered_commands
