"""Print what an extra of pyproject.toml needs, for an image layer of its own: `requirements.py EXTRA`.

Runs before anything is installed, so it uses the standard library alone.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

_SELF = re.compile(r"inkqueue\[(?P<extras>[^\]]+)\]$")


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the dependencies of the base and of these extras, those that name further extras resolved.

    Raises:
        KeyError: there is no such extra.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    found: list[str] = list(project["dependencies"])
    waiting, seen = list(extras), set[str]()
    while waiting:
        extra = waiting.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for line in project["optional-dependencies"][extra]:
            match = _SELF.match(line)
            if match:
                waiting += [part.strip() for part in match["extras"].split(",")]
            else:
                found.append(line)
    return sorted(set(found))


def main() -> None:
    """Print one requirement a line."""
    sys.stdout.write("\n".join(requirements(Path("pyproject.toml"), sys.argv[1:])) + "\n")


if __name__ == "__main__":
    main()
