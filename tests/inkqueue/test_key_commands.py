"""`inkqueue keys`: what a person types to let others in and to shut them out."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from inkqueue.cli.app import app
from inkqueue.cli.exits import Exit
from inkqueue.cli.keys import WARNING
from shared.db import Database
from shared.keys import __main__ as server
from shared.keys.__main__ import answer_of
from shared.keys.store import find_key, list_keys
from shared.keys.text import parse_key
from shared.settings import Settings

FORM = re.compile(r"ik_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}\n")


Keys = Callable[..., Result]


@pytest.fixture
def keys(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Lend `inkqueue keys …` in a folder with a treacherous module, for this test's database."""
    (tmp_path / "shared.py").write_text("raise SystemExit('the folder of the user was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INKQUEUE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INKQUEUE_DATABASE_URL", settings.database_url)
    return lambda *words: CliRunner().invoke(app, ["keys", *words])


def test_from_the_first_key_to_its_end(keys: Keys, database: Database) -> None:
    """Create prints the key alone to stdout, list shows all but the secret, revoke ends it."""
    made = keys("create", "--tenant", "acme", "--scopes", "read,submit", "--name", "till", "--expires", "90d")
    assert (made.exit_code, FORM.fullmatch(made.stdout) is not None) == (Exit.OK, True), made.stderr
    assert WARNING in made.stderr
    key = parse_key(made.stdout.strip())
    assert find_key(database, key.prefix) is not None

    listed = keys("list")
    assert key.secret not in listed.stdout
    header, line = (text.split("\t") for text in listed.stdout.splitlines())
    assert header[:5] == ["prefix", "name", "tenant", "scopes", "state"]
    assert line[:5] == [key.prefix, "till", "acme", "submit,read", "active"]

    revoked = keys("revoke", key.prefix, "--json")
    assert (revoked.exit_code, json.loads(revoked.stdout)["state"]) == (Exit.OK, "revoked")
    assert find_key(database, key.prefix) is None


def test_json_for_scripts(keys: Keys, database: Database) -> None:
    """`--json` prints the key and what it may, on one line; the warning stays off stdout."""
    made = json.loads(keys("create", "--json").stdout)
    assert made["prefix"] == parse_key(made["key"]).prefix
    assert (made["tenant"], made["scopes"], made["expires_at"]) == ("default", ["submit", "read"], None)
    (listed,) = json.loads(keys("list", "--json", "--tenant", "default").stdout)
    assert {name: made[name] for name in listed} == listed
    assert json.loads(keys("list", "--json", "--tenant", "other").stdout) == []


@pytest.mark.parametrize("named", ["id", "key", "prefix"])
def test_a_key_is_revoked_by_any_of_its_names(settings: Settings, database: Database, named: str) -> None:
    """By its public part, its id, or the whole key that was found where it should not be."""
    made = answer_of({"command": "create", "tenant": "acme", "scopes": ["read"], "name": "n"}, settings)
    assert answer_of({"command": "revoke", "key": made[named]}, settings)["state"] == "revoked"
    assert list_keys(database)[0].state == "revoked"


CREATE = {"command": "create", "tenant": "acme", "scopes": ["read"], "name": "n"}


@pytest.mark.parametrize(
    ("request_", "code", "told"),
    [
        ({**CREATE, "scopes": ["root"]}, "USAGE", "submit, read, review, admin"),
        ({**CREATE, "scopes": []}, "USAGE", "submit, read, review, admin"),
        ({**CREATE, "tenant": "A B"}, "USAGE", "a-z"),
        ({**CREATE, "expires": "yesterday"}, "USAGE", "90d"),
        ({"command": "revoke", "key": "ik_000000000000"}, "NOT_FOUND", "keys list"),
        ({"command": "revoke", "key": "key_1"}, "NOT_FOUND", "no key"),
        ({"command": "revoke", "key": "'; DROP TABLE api_keys"}, "NOT_FOUND", "no key"),
    ],
)
def test_what_cannot_be_is_told(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request_: dict[str, object],
    code: str,
    told: str,
) -> None:
    """One sentence and the exit code's name; no traceback."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request_)))
    monkeypatch.setattr(server, "get_settings", lambda: settings)
    assert server.main() == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["exit"]) == (False, code)
    assert told in answer["error"]
    assert code in Exit.__members__


def test_a_refusal_has_an_exit_code(keys: Keys) -> None:
    """Wrong words are told on stderr alone."""
    done = keys("create", "--scopes", "root")
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert "submit, read" in done.stderr


def test_without_a_database(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told what to do; drawing a key needs none."""
    monkeypatch.setenv("INKQUEUE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    done = keys("create")
    assert (done.exit_code, done.stdout) == (Exit.UNAVAILABLE, "")
    assert "INKQUEUE_DATABASE_URL" in done.stderr
    assert FORM.fullmatch(keys("generate").stdout)


def test_without_the_tables(keys: Keys, empty_db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that was not migrated is told from one that is away."""
    monkeypatch.setenv("INKQUEUE_DATABASE_URL", empty_db_url)
    done = keys("list")
    assert done.exit_code == Exit.UNAVAILABLE
    assert "shared.migrate" in done.stderr
