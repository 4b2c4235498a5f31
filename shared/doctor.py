"""Check everything that the service depends on: `python -m shared.doctor [--json]`.

Each failure says what is wrong and what to do about it; the exit code is 0 when nothing is.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import redis
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import ValidationError

from shared import lanes
from shared.blobs import open_blobs
from shared.db import Database
from shared.errors import InkqueueError, UnknownModel
from shared.migrate import alembic_config
from shared.packages import find_packages, resolve, verify
from shared.settings import Settings
from shared.status import Lane

LEAST_FREE_BYTES = 1 << 30
ANSWER_S = 5.0
OLDEST_POSTGRES = 180000


@dataclass(frozen=True)
class Finding:
    """One check's outcome; `fix` is empty when all is well."""

    check: str
    ok: bool
    detail: str
    fix: str = ""
    seconds: float = 0.0


class Trouble(Exception):
    """Something is wrong: `str()` says what, `fix` what to do."""

    def __init__(self, detail: str, fix: str) -> None:
        """Keep both texts."""
        super().__init__(detail)
        self.fix = fix


Check = Callable[[Settings], str]


def examine(settings: Settings, checks: Sequence[tuple[str, Check]] | None = None) -> list[Finding]:
    """Run every check, each by itself: one failure hides no other."""
    return [_run(name, check, settings) for name, check in (CHECKS if checks is None else checks)]


def _run(name: str, check: Check, settings: Settings) -> Finding:
    began = time.monotonic()
    try:
        detail, fix, ok = check(settings), "", True
    except Trouble as trouble:
        detail, fix, ok = str(trouble), trouble.fix, False
    except Exception as error:  # the doctor reports; a check that breaks is a finding too
        detail, fix, ok = f"The check itself failed: {error}", "Please report this.", False
    return Finding(name, ok, detail, fix, round(time.monotonic() - began, 3))


def check_database(settings: Settings) -> str:
    """Reach PostgreSQL, new enough, with the schema of this code."""
    db = Database(settings.sqlalchemy_url, "tool", 1)
    try:
        with db.transaction() as connection:
            version = int(connection.execute(sa.text("SHOW server_version_num")).scalar_one())
            found = MigrationContext.configure(connection).get_current_revision()
    except InkqueueError as error:
        raise Trouble(
            f"PostgreSQL cannot be reached at {hidden(settings.database_url)}.",
            "Start it (`inkqueue up` brings its own) or set INKQUEUE_DATABASE_URL.",
        ) from error
    finally:
        db.close()
    if version < OLDEST_POSTGRES:
        raise Trouble(f"PostgreSQL is version {version // 10000}.", "Use PostgreSQL 18 or newer.")
    newest = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if found != newest:
        raise Trouble(
            f"The schema is at {found or 'nothing'}, this code wants {newest}.",
            "Run `python -m shared.migrate`.",
        )
    return f"PostgreSQL {version // 10000}, schema {found}"


def check_broker(settings: Settings) -> str:
    """Reach Redis, and see that it evicts no ticket."""
    client = lanes.connect(settings)
    try:
        info = client.info()
    except redis.RedisError as error:
        raise Trouble(
            f"Redis cannot be reached at {hidden(settings.redis_url)}.",
            "Start it (`inkqueue up` brings its own) or set INKQUEUE_REDIS_URL.",
        ) from error
    finally:
        client.close()
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise Trouble(
            f"Redis may throw tickets away (maxmemory-policy {policy}).",
            "Set `maxmemory-policy noeviction` in redis.conf.",
        )
    return f"Redis {info.get('redis_version', '?')}, {policy}"


def check_storage(settings: Settings) -> str:
    """Write to the object storage."""
    try:
        open_blobs(settings).probe()
    except InkqueueError as error:
        raise Trouble(
            f"Object storage {hidden(settings.storage_url)} does not take a file: {error.detail}",
            "Give the service's user the right to write there, free some room, or set INKQUEUE_STORAGE_URL.",
        ) from error
    return hidden(settings.storage_url)


def check_disk(settings: Settings) -> str:
    """See that a local storage folder has room."""
    if not settings.storage_url.startswith("file:"):
        return "not a local folder"
    folder = Path(unquote(urlsplit(settings.storage_url).path))
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise Trouble(
            f"Only {free / (1 << 20):.0f} MiB are free at {folder}.",
            "Delete old jobs (`inkqueue delete`) or move INKQUEUE_STORAGE_URL to a larger disk.",
        )
    return f"{free / (1 << 30):.0f} GiB free"


def check_models(settings: Settings) -> str:
    """Compare every model package with its checksums."""
    packages = find_packages(settings.model_dirs)
    try:
        resolve(packages, settings.default_model)
        for package in packages.values():
            verify(package)
    except UnknownModel as error:
        raise Trouble(
            f"The default model is missing. {error.detail}",
            "Set INKQUEUE_DEFAULT_MODEL or INKQUEUE_MODELS_DIRS.",
        ) from error
    except InkqueueError as error:
        raise Trouble(error.detail, "Copy the package again from where it came.") from error
    return ", ".join(package.ref for package in packages.values())


def check_workers(settings: Settings) -> str:
    """See that each lane has a worker that beats, and that a steward does."""
    db = Database(settings.sqlalchemy_url, "tool", 1)
    try:
        with db.transaction() as connection:
            alive = connection.execute(_ALIVE, {"gone": settings.worker_gone_s}).all()
    except InkqueueError as error:
        raise Trouble("Unknown: the database cannot be asked.", "See `database`.") from error
    finally:
        db.close()
    for lane in Lane:
        if not any(row.role == "worker" and str(lane) in (row.lane or "") for row in alive):
            raise Trouble(
                f"No worker serves the lane {lane}.",
                f"Start one: `celery -A worker.app worker -P prefork -c 1 -Q {lane}`.",
            )
    if not any(row.role == "steward" for row in alive):
        raise Trouble("No steward runs: lost work is not found.", "Start one: `python -m worker.steward`.")
    return f"{sum(row.role == 'worker' for row in alive)} workers, both lanes served"


def check_api(settings: Settings) -> str:
    """Ask the API whether it lives."""
    host = settings.host if settings.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104  # compared only
    url = f"http://{host}:{settings.port}/healthz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_S) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        raise Trouble(
            f"Something else answers at {url} (status {error.code}).",
            "Set INKQUEUE_PORT to a free port and start the API there.",
        ) from error
    except OSError as error:
        raise Trouble(
            f"Nothing answers at {url}.",
            "Start the API (`inkqueue up` or `python -m api`), or set INKQUEUE_PORT.",
        ) from error
    return url


_ALIVE = sa.text(
    "SELECT role, lane FROM workers WHERE heartbeat_at > clock_timestamp() - :gone * interval '1 second'"
)
CHECKS: tuple[tuple[str, Check], ...] = (
    ("database", check_database),
    ("broker", check_broker),
    ("storage", check_storage),
    ("disk", check_disk),
    ("models", check_models),
    ("workers", check_workers),
    ("api", check_api),
)


def hidden(url: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":…@", 1)))


def report(findings: Sequence[Finding]) -> str:
    """Return the findings as text, one line a check and one a remedy."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check:<9} {finding.detail}")
        if finding.fix:
            lines.append(f"{'':<16}→ {finding.fix}")
    return "\n".join(lines)


def main() -> None:
    """Print the findings; exit with 1 when something is wrong."""
    try:
        findings = examine(Settings())
    except ValidationError as error:
        wrong = "; ".join(f"INKQUEUE_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors())
        findings = [Finding("settings", False, wrong, "Correct or unset the variable.")]
    if "--json" in sys.argv[1:]:
        sys.stdout.write(f"{json.dumps([asdict(one) for one in findings], ensure_ascii=False)}\n")
    else:
        sys.stdout.write(f"{report(findings)}\n")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


if __name__ == "__main__":
    main()
