"""Find the folders that travel with the packages: in a checkout beside them, in a wheel inside `shared`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, cast, get_args

Folder = Literal["models", "samples", "docs"]
_ROOM = Path(__file__).resolve().parent


def bundled(name: Folder) -> Path:
    """Return where the folder `models`, `samples` or `docs` is; of the last a wheel holds what the API shows."""
    installed = _ROOM / "_bundled" / name
    return installed if installed.is_dir() else _ROOM.parent / name


def main() -> None:
    """Print where a folder is: `python -m shared.bundled samples`."""
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in get_args(Folder):
        raise SystemExit(f"usage: python -m shared.bundled {'|'.join(get_args(Folder))}")
    sys.stdout.write(f"{bundled(cast('Folder', name))}\n")


if __name__ == "__main__":
    main()
