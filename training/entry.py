"""Start the laboratory's commands, or say what to install for them."""

from __future__ import annotations

import sys

ROOMS = {"api", "inkqueue", "shared", "training", "worker"}


def main() -> None:
    """Run `inkqueue-train`, the same as `python -m training`."""
    try:
        from training.commands import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ROOMS:
            raise
        sys.exit(f'inkqueue-train needs {missing}, which `pip install "inkqueue[training]"` brings.')
    app()
