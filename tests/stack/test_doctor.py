"""The doctor names what is broken and what to do; each dependency is broken here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from inkqueue.local.redis import free_port
from shared.blobs import open_blobs
from shared.bundled import bundled
from shared.contracts import WorkerInfo
from shared.db import Database
from shared.doctor import database as of_database
from shared.doctor import places
from shared.doctor.__main__ import CHECKS
from shared.doctor.finding import Finding, examine, hidden
from shared.jobs import registry
from shared.keys.store import create_key
from shared.settings import Settings
from shared.status import Lane
from tests.queue_driver import execute, submit
from tests.uploads import submit_file


def finding(settings: Settings, name: str) -> Finding:
    """Run one check."""
    return examine(settings, [(name, dict(CHECKS)[name])])[0]


def but(settings: Settings, **changes: object) -> Settings:
    """Return the settings with some of them changed."""
    return settings.model_copy(update=changes)


def assert_wrong(found: Finding, detail: str, fix: str) -> None:
    """Assert that the check failed, and said this."""
    assert not found.ok
    assert detail in found.detail
    assert fix in found.fix


@pytest.fixture
def processes(database: Database) -> None:
    """Have a worker a lane and a steward alive."""
    for role, lane in (("worker", "bulk"), ("worker", "interactive"), ("steward", None)):
        registry.beat(database, WorkerInfo(id=f"{role}-{lane}", host="here", pid=1, role=role, lane=lane))


@pytest.fixture
def api(settings: Settings) -> Iterator[None]:
    """Answer at the API's port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in {"/healthz", "/"} else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = HTTPServer(("127.0.0.1", settings.port), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("processes", "api")
def test_a_healthy_service_passes(settings: Settings) -> None:
    """Nothing is wrong when nothing is."""
    assert [one for one in examine(settings, CHECKS) if not one.ok] == []


def test_a_database_that_is_away(settings: Settings) -> None:
    """No PostgreSQL: its address without the password, and how to start one."""
    away = but(settings, database_url="postgresql://inkqueue:secret@127.0.0.1:1/inkqueue")
    found = finding(away, "database")
    assert_wrong(
        found, "cannot be reached at postgresql://inkqueue:…@127.0.0.1:1/inkqueue", "INKQUEUE_DATABASE_URL"
    )
    assert_wrong(finding(away, "workers"), "the database cannot be asked", "database")


def test_a_database_without_the_schema(settings: Settings, empty_db_url: str) -> None:
    """An empty database asks for the migrations."""
    found = finding(but(settings, database_url=empty_db_url), "database")
    assert_wrong(found, "The schema is at nothing", "python -m shared.migrate")


def test_a_broker_that_is_away(settings: Settings) -> None:
    """No Redis: its address, and how to start one."""
    found = finding(but(settings, redis_url=f"redis://127.0.0.1:{free_port()}/0"), "broker")
    assert_wrong(found, "Redis cannot be reached", "INKQUEUE_REDIS_URL")


def test_a_broker_that_throws_tickets_away(settings: Settings) -> None:
    """An evicting Redis is named as such."""
    with redis.Redis.from_url(settings.redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert_wrong(finding(settings, "broker"), "allkeys-lru", "noeviction")
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_a_storage_that_takes_no_file(settings: Settings, tmp_path: Path) -> None:
    """A file where the storage folder should be: the address, and what to do."""
    (tmp_path / "no-folder").write_text("")
    found = finding(but(settings, storage_url=f"file://{tmp_path}/no-folder"), "storage")
    assert_wrong(found, "no-folder does not take a file", "INKQUEUE_STORAGE_URL")


def test_a_storage_folder_that_is_not_there_is_told_and_not_made(settings: Settings, tmp_path: Path) -> None:
    """A mistyped address, or a disk that is not mounted: a check makes no folder in its place."""
    found = finding(but(settings, storage_url=f"file://{tmp_path}/mistyped"), "storage")
    assert_wrong(found, "there is no such folder", "INKQUEUE_STORAGE_URL")
    assert not (tmp_path / "mistyped").exists()


def test_an_empty_folder_in_the_place_of_the_storage_is_told(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Where the database knows an upload, a mount point without its disk does not pass for the storage."""
    submit_file(database, open_blobs(settings), settings, "a.png", b"x")
    assert finding(settings, "storage").ok
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    found = finding(but(settings, storage_url=f"file://{mount_point}"), "storage")
    assert_wrong(found, "no marker in its folder", "Mount its disk")
    assert list(mount_point.iterdir()) == []


def test_a_full_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is told before it is none."""
    monkeypatch.setattr(places, "LEAST_FREE_BYTES", 1 << 62)
    assert_wrong(finding(settings, "disk"), "MiB are free", "Delete old jobs")
    assert finding(settings, "room").ok
    monkeypatch.setattr(of_database, "LEAST_FREE_BYTES", 1 << 62)
    assert_wrong(finding(settings, "room"), "where PostgreSQL's files are", "Free some room")


def test_an_object_store_needs_no_disk(settings: Settings) -> None:
    """With S3 the local disk does not matter."""
    assert finding(but(settings, storage_url="s3://bucket/prefix"), "disk").ok


def test_a_damaged_model_package(settings: Settings, tmp_path: Path) -> None:
    """A changed weight file is found by its checksum."""
    source = next((bundled("models") / "digits").iterdir())
    package = tmp_path / "models" / "digits" / "99.0.0"
    shutil.copytree(source, package)
    card = json.loads((package / "model.json").read_text())
    (package / "model.json").write_text(json.dumps({**card, "version": "99.0.0"}))
    (package / "model.onnx").write_bytes(b"scratched")
    found = finding(but(settings, models_dirs=str(tmp_path / "models")), "models")
    assert_wrong(
        found, "model.onnx of model digits@99.0.0 differs from its checksum", "Copy the package again"
    )


def test_a_missing_default_model(settings: Settings) -> None:
    """A default that is not installed is named, with those that are."""
    found = finding(but(settings, default_model="letters"), "models")
    assert_wrong(found, "No model 'letters' is installed", "INKQUEUE_DEFAULT_MODEL")


@pytest.mark.usefixtures("processes")
def test_a_lane_without_a_worker(settings: Settings, database: Database) -> None:
    """A silent worker no longer counts; the lane and the command to serve it are named."""
    with database.transaction() as connection:
        old = sa.text(
            "UPDATE workers SET heartbeat_at = now() - interval '1 hour' WHERE lane = 'interactive'"
        )
        connection.execute(old)
    assert_wrong(finding(settings, "workers"), "lane interactive", "-Q interactive")


@pytest.mark.usefixtures("processes")
def test_no_steward(settings: Settings, database: Database) -> None:
    """Workers without a steward are not enough."""
    registry.leave(database, "steward-None")
    assert_wrong(finding(settings, "steward"), "No steward runs", "python -m worker.steward")


def test_a_steward_that_does_nothing(settings: Settings, database: Database) -> None:
    """A steward that beats and looks for nothing is told, too."""
    info = WorkerInfo(id="s", host="here", pid=1, role="steward")
    registry.beat(database, info, gauges={'inkqueue_duty_age_seconds{duty="expire_leases"}': 90.0})
    assert_wrong(finding(settings, "steward"), "not looked for lost work for 90 s", "duty_failed")


def test_workers_that_serve_different_models(settings: Settings, database: Database) -> None:
    """A worker of another release is named with what it has, and so is a default model that nobody has."""
    for lane, models in (("bulk", ["digits@2.1.0"]), ("interactive", ["digits@1.0.0"])):
        info = WorkerInfo(id=lane, host="here", pid=1, role="worker", lane=lane, models=models)
        registry.beat(database, info)
    assert_wrong(finding(settings, "workers"), "here:1 digits@1.0.0", "Restart those of the older release")
    nobody = but(settings, default_model="letters")
    assert_wrong(finding(nobody, "workers"), "No worker has the model letters loaded", "restart them")


def test_a_read_only_database(settings: Settings) -> None:
    """A standby takes no job."""
    with sa.create_engine(settings.sqlalchemy_url, poolclass=sa.pool.NullPool).connect() as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar_one()
        connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        connection.commit()
    assert_wrong(finding(settings, "database"), "read-only", "primary")


def test_a_server_without_free_connections(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the last connection is taken it is said what to raise."""
    monkeypatch.setattr(of_database, "LEAST_FREE_CONNECTIONS", 10_000)
    assert_wrong(finding(settings, "connections"), "connections are free", "max_connections")


def test_a_clock_that_is_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference is told, and which clock decides what."""
    assert finding(settings, "clock").ok
    monkeypatch.setattr(of_database, "MOST_SKEW_S", -1.0)
    assert_wrong(finding(settings, "clock"), "the database's", "NTP")


def test_a_broker_without_memory(settings: Settings) -> None:
    """A Redis that is nearly full is told before it refuses tickets."""
    with redis.Redis.from_url(settings.redis_url) as client:
        client.config_set("maxmemory", "1mb")
        try:
            assert_wrong(finding(settings, "broker"), "MiB", "maxmemory")
        finally:
            client.config_set("maxmemory", "0")


def test_single_images_that_wait(settings: Settings, database: Database) -> None:
    """Work that stands still is told although every process seems to live."""
    submit(database, lane=Lane.INTERACTIVE)
    assert finding(settings, "backlog").ok
    execute(database, "UPDATE chunks SET created_at = now() - interval '5 minutes'")
    assert_wrong(finding(settings, "backlog"), "1 single images wait, the oldest for 300 s", "-Q interactive")


def test_a_service_that_others_reach_needs_keys(settings: Settings, database: Database) -> None:
    """Without keys on an open address the API does not start; that and the way out are told."""
    reached = but(settings, host="0.0.0.0")
    assert finding(settings, "keys").ok
    assert_wrong(finding(reached, "keys"), "others reach 0.0.0.0", "inkqueue keys create")
    create_key(database, "default", ("admin",), "first")
    assert finding(reached, "keys").ok


def test_no_api(settings: Settings) -> None:
    """A silent port is named."""
    assert_wrong(
        finding(settings, "api"), f"Nothing answers at http://127.0.0.1:{settings.port}", "python -m api"
    )


def test_a_check_that_breaks_hides_no_other(settings: Settings) -> None:
    """A defect of one check is its own finding; the others run."""

    def broken(_: Settings) -> str:
        raise ZeroDivisionError("oh")

    first, second = examine(settings, [("broken", broken), ("disk", dict(CHECKS)["disk"])])
    assert_wrong(first, "The check itself failed: oh", "report")
    assert second.ok


def test_passwords_are_hidden() -> None:
    """Neither findings nor logs of them carry a secret."""
    assert hidden("redis://:secret@127.0.0.1:1/0") == "redis://:…@127.0.0.1:1/0"
    assert hidden("file:///var/lib/x") == "file:///var/lib/x"


def test_the_command_exits_with_1_and_prints_json(settings_env: dict[str, str]) -> None:
    """Scripts read a list of checks and the exit code."""
    command = [sys.executable, "-m", "shared.doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=settings_env, check=False)
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["database"]["ok"] is True
    assert found["api"]["ok"] is False
    assert found["api"]["fix"]


def test_a_wrong_setting_is_named(settings_env: dict[str, str]) -> None:
    """A variable that cannot be read is a finding, not a stack trace."""
    command = [sys.executable, "-m", "shared.doctor"]
    environment = {**settings_env, "INKQUEUE_PORT": "many"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "INKQUEUE_PORT" in done.stdout
    assert done.stderr == ""
