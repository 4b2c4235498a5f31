"""Read docker-compose.yml and the Dockerfiles as far as the tests need it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")
_CONTINUED = re.compile(r"\\\n\s*")


def dockerfiles() -> dict[str, Path]:
    """Return every Dockerfile by its role."""
    return {path.suffix[1:]: path for path in sorted((ROOT / "deploy").glob("Dockerfile.*"))}


def compose() -> dict[str, Any]:
    """Return the compose file with anchors and merges resolved and variables as they are written."""
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def variables(text: str) -> dict[str, str | None]:
    """Return the variables that a text asks the caller's environment for, with their defaults."""
    return {match["name"]: match["default"] for match in _VARIABLE.finditer(text)}


def filled(text: str, given: dict[str, str] | None = None) -> str:
    """Replace `${NAME:-default}` as docker compose does."""
    return _VARIABLE.sub(lambda match: (given or {}).get(match["name"]) or match["default"] or "", text)


@dataclass
class Stage:
    """What the last stage of a Dockerfile, or one before it, says."""

    base: str
    environment: dict[str, str] = field(default_factory=dict)
    copies: list[tuple[list[str], str | None]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    user: str = ""
    ports: list[int] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def stages(dockerfile: Path) -> list[Stage]:
    """Parse a Dockerfile of our own kind: exec forms only, lines continued by a backslash."""
    text = "\n".join(line for line in dockerfile.read_text().splitlines() if not line.startswith("#"))
    found: list[Stage] = []
    for line in _CONTINUED.sub(" ", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append(Stage(rest.split()[0]))
        elif word == "ENV":
            found[-1].environment |= dict(part.split("=", 1) for part in rest.split())
        elif word == "COPY":
            *sources, _target = [part for part in rest.split() if not part.startswith("--")]
            origin = re.search(r"--from=(\S+)", rest)
            found[-1].copies.append((sources, origin[1] if origin else None))
        elif word == "RUN":
            found[-1].runs.append(rest)
        elif word == "USER":
            found[-1].user = rest
        elif word == "EXPOSE":
            found[-1].ports.append(int(rest))
        elif word == "CMD":
            found[-1].command = json.loads(rest)
        elif word == "HEALTHCHECK":
            found[-1].health = json.loads(rest.partition("CMD ")[2])
    return found
