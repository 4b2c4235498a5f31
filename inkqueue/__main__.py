"""Run the command line as `python -m inkqueue`."""

from __future__ import annotations

from inkqueue.cli import main

if __name__ == "__main__":
    main()
