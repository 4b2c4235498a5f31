"""Commands that try things: compare, search."""

from __future__ import annotations

import typer

app = typer.Typer()
