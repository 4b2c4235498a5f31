"""The command line `inkqueue`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the exit code tells how it went (see `inkqueue --help`)."""
    from inkqueue.cli.app import app
    from inkqueue.cli.arguments import globals_first

    app(args=globals_first(sys.argv[1:]), prog_name="inkqueue")
