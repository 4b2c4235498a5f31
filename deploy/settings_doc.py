"""Write `docs/configuration.md` and `.env.example` from the settings: `python -m deploy.settings_doc`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / ".env.example"
_GROUP = re.compile(r"^    # --- (?P<group>.+)$|^    (?P<field>[a-z]\w*): ", re.MULTILINE)

_PAGE_HEAD = """\
# Configuration

<!-- Written from shared/settings.py by `python -m deploy.settings_doc`; change the text there. -->

Every process reads its settings from environment variables that begin with `INKQUEUE_`, once, at its start.
Nothing has to be set for `make run` and `inkqueue up`: they choose addresses and folders themselves.
Times are in seconds and sizes in bytes. `.env.example` holds the same list, to be copied to `.env`.

The API, the workers and the steward of one installation must agree on the three addresses
(`INKQUEUE_DATABASE_URL`, `INKQUEUE_REDIS_URL`, `INKQUEUE_STORAGE_URL`) and on the limits; start them all with
the same environment.
"""

_BESIDE = (
    (
        "`INKQUEUE_HOME`",
        "`make run`, `inkqueue up`",
        "The one folder of the local stack: databases, uploads, logs.",
    ),
    ("`PORT`, `WORKERS`", "`make run`", "Port of the API; number of bulk workers."),
    ("`INKQUEUE_URL`", "client, command line", "Address of the service, `http://127.0.0.1:8000` by default."),
    ("`INKQUEUE_API_KEY`", "client, command line", "The key that is sent with every request."),
    ("`OMP_NUM_THREADS`", "workers", "Threads of the numeric libraries; local stack and images set 1."),
    (
        "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`",
        "every process, with `s3://` storage",
        "Credentials of the bucket.",
    ),
)

_EXAMPLE_HEAD = """\
# Copy to .env and change what you need. docker compose reads .env by itself; for processes started by hand:
#     set -a; . ./.env; set +a
# Every line that is commented out shows the default. docs/configuration.md explains each setting.

# --- docker compose only
# Password of the database that docker compose starts: letters and digits. Change it before the first start.
POSTGRES_PASSWORD=inkqueue
# Address and port on this machine that the API is published on. For another than loopback give the first key
# (INKQUEUE_BOOTSTRAP_KEY below), without which the API does not start there.
INKQUEUE_PUBLISH=127.0.0.1:8000
# Credentials of the bucket, when INKQUEUE_STORAGE_URL is s3://… (deploy/s3.env shows a whole set).
# AWS_ACCESS_KEY_ID=
# AWS_SECRET_ACCESS_KEY=
"""


def groups() -> Iterator[tuple[str, list[str]]]:
    """Yield the groups of the settings class, each with its fields, in the order of the class."""
    current: tuple[str, list[str]] | None = None
    for match in _GROUP.finditer(inspect.getsource(Settings)):
        if match["group"]:
            if current:
                yield current
            current = (match["group"], [])
        elif current and match["field"] in Settings.model_fields:
            current[1].append(match["field"])
    if current:
        yield current


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return f"INKQUEUE_{field.upper()}"


def default_of(field: str) -> str:
    """Return the default as one writes it in an environment."""
    value = Settings.model_fields[field].default
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def description(field: str) -> str:
    """Return what the class says about a field."""
    return Settings.model_fields[field].description or ""


def row(*cells: str) -> str:
    """Return one row of a table."""
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    """Return the text of `docs/configuration.md`."""
    lines = [_PAGE_HEAD]
    for group, fields in groups():
        lines += [
            f"## {group[0].upper()}{group[1:]}",
            "",
            row("variable", "default", "meaning"),
            "|---|---|---|",
        ]
        for field in fields:
            default = f"`{default_of(field)}`" if default_of(field) else "empty"
            lines.append(row(f"`{variable(field)}`", default, description(field)))
        lines.append("")
    lines += ["## Beside the settings class", "", row("variable", "read by", "meaning"), "|---|---|---|"]
    lines += [row(*cells) for cells in _BESIDE]
    return "\n".join(lines) + "\n"


def example() -> str:
    """Return the text of `.env.example`."""
    lines = [_EXAMPLE_HEAD]
    for group, fields in groups():
        lines.append(f"# --- {group}")
        for field in fields:
            lines += [f"# {description(field)}", f"# {variable(field)}={default_of(field)}"]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write both files."""
    PAGE.write_text(page())
    EXAMPLE.write_text(example())


if __name__ == "__main__":
    main()
