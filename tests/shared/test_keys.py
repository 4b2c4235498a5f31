"""The form of keys, what is stored of them, and the first one."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.db import Database
from shared.errors import InvalidRequest, NotFound
from shared.keys import store
from shared.keys.bootstrap import Bootstrapped, BootstrapRefused, bootstrap
from shared.keys.rules import lifetime_s
from shared.keys.sessions import begin_session, end_session, find_session, new_session_id
from shared.keys.store import any_key, create_key, find_key, list_keys, note_use, revoke_key
from shared.keys.text import LETTERS, SECRET, KeyMalformed, KeyText, new_key, parse_key
from tests.queue_driver import execute, row


def test_a_key_is_read_back() -> None:
    """What is printed is what is parsed, and it is as long as every other key."""
    keys = [new_key() for _ in range(100)]
    assert [parse_key(key.text) for key in keys] == keys
    assert {len(key.text) for key in keys} == {54}
    assert len({key.prefix for key in keys}) == 100


def test_a_secret_cannot_be_guessed() -> None:
    """A secret holds at least 160 bits of chance."""
    assert SECRET * math.log2(len(LETTERS)) >= 160


@given(place=st.integers(0, 53), letter=st.sampled_from(LETTERS + "_-é\n"))
def test_a_typo_is_told_from_a_wrong_key(place: int, letter: str) -> None:
    """A key with one other letter is malformed, without a look at the database."""
    text = KeyText("ik_0123456789ab", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6").text
    wrong = text[:place] + letter + text[place + 1 :]
    if wrong != text:
        with pytest.raises(KeyMalformed):
            parse_key(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ik_",
        "ik_" + "0" * 51,
        pytest.param(" " + new_key().text, id="blank"),
        pytest.param(new_key().text + "\n", id="newline"),
    ],
)
def test_what_is_no_key_is_malformed(text: str) -> None:
    """Nothing is trimmed or guessed."""
    with pytest.raises(KeyMalformed):
        parse_key(text)


def test_the_secret_is_not_shown() -> None:
    """Neither a log line nor a traceback with the object in it gives the secret away."""
    key = new_key()
    assert key.secret not in repr(key)


def test_no_valid_key_hides_behind_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list shows every key that still works, however many were made after it; more than it shows are not made."""
    monkeypatch.setattr(store, "MOST_LISTED", 3)
    first, _ = create_key(database, "acme", ["admin"], "hidden")
    for _ in range(4):
        made, _ = create_key(database, "acme", ["read"], "filler")
        revoke_key(database, "acme", made.id)
    assert list_keys(database, "acme")[0].id == first.id
    for _ in range(2):
        create_key(database, "acme", ["read"], "filler")
    with pytest.raises(InvalidRequest, match="3 valid keys"):
        create_key(database, "acme", ["read"], "one too many")
    create_key(database, "other", ["read"], "another's")
    assert [key.state for key in list_keys(database)] == ["active"] * 4
    assert first.id in {key.id for key in list_keys(database, "acme")}


def test_only_a_hash_is_stored(database: Database) -> None:
    """The database holds the public part and the SHA-256 of the secret, the secret nowhere."""
    _, key = create_key(database, "acme", ["read", "submit"], "till")
    stored = row(database, "SELECT k::text AS text FROM api_keys k").text
    assert key.prefix in stored
    assert key.secret not in stored
    assert key.digest.hex() in stored


def test_a_key_makes_its_tenant_once(database: Database) -> None:
    """Two keys of a new tenant share it; scopes stand in their order."""
    for _ in range(2):
        view, _ = create_key(database, "acme", ["read", "submit", "read"], "till")
    assert (view.tenant, view.scopes, view.state) == ("acme", ["submit", "read"], "active")
    assert [key.tenant for key in list_keys(database, "acme")] == ["acme", "acme"]
    assert list_keys(database, "default") == []


@pytest.mark.parametrize(
    ("tenant", "scopes", "name"),
    [
        ("", ["read"], "n"),
        ("Acme", ["read"], "n"),
        ("../a", ["read"], "n"),
        ("a" * 64, ["read"], "n"),
        ("a\n", ["read"], "n"),
        ("acme", [], "n"),
        ("acme", ["root"], "n"),
        ("acme", ["read"], " "),
        ("acme", ["read"], "a\x00b"),
        ("acme", ["read"], "\x1b[31mred"),
    ],
)
def test_what_a_key_may_be(database: Database, tenant: str, scopes: list[str], name: str) -> None:
    """Tenants, scopes and names that are none are refused, and nothing is made."""
    with pytest.raises(InvalidRequest):
        create_key(database, tenant, scopes, name)
    assert not any_key(database)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7776000), ("12h", 43200), ("2w", 1209600), ("never", None)]
)
def test_lifetimes(text: str, seconds: float | None) -> None:
    """Spans are read; `never` is for ever."""
    assert lifetime_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "d", "-1d", "0d", "2020-01-01T00:00:00Z", "1e9d", "999999w", "nan"]
)
def test_lifetimes_that_are_none(text: str) -> None:
    """What is no span of time, or not ahead, is refused."""
    with pytest.raises(InvalidRequest):
        lifetime_s(text)


def test_a_revoked_or_expired_key_is_not_found(database: Database) -> None:
    """Both are as if unknown, and both still tell that this service had a key."""
    revoked, one = create_key(database, "acme", ["read"], "one")
    _, two = create_key(database, "acme", ["read"], "two", 3600)
    assert find_key(database, one.prefix) is not None
    assert 3500 < (found := find_key(database, two.prefix)).left_s <= 3600  # type: ignore[union-attr,operator]
    assert found is not None
    revoke_key(database, None, revoked.id)
    execute(database, "UPDATE api_keys SET expires_at = clock_timestamp() WHERE name = 'two'")
    assert find_key(database, one.prefix) is find_key(database, two.prefix) is None
    assert sorted(key.state for key in list_keys(database)) == ["expired", "revoked"]
    assert any_key(database)


def test_another_tenants_key_cannot_be_revoked(database: Database) -> None:
    """It is not found, and stays as it is."""
    view, key = create_key(database, "acme", ["read"], "one")
    with pytest.raises(NotFound):
        revoke_key(database, "other", view.id)
    assert find_key(database, key.prefix) is not None


def test_use_is_written_once_a_minute(database: Database) -> None:
    """Two uses within a minute change the row once, whichever processes they come from."""
    view, _ = create_key(database, "acme", ["read"], "one")
    note_use(database, {view.id})
    first = list_keys(database)[0].last_used_at
    note_use(database, {view.id})
    assert list_keys(database)[0].last_used_at == first is not None


def test_a_session_ends_with_its_key(database: Database) -> None:
    """Whoever signed in with a key that was revoked is signed out."""
    view, _ = create_key(database, "acme", ["read"], "one")
    session = new_session_id()
    begin_session(database, view.id, session, 3600)
    found = find_session(database, session, 3600)
    assert found is not None
    assert (found.tenant, found.scopes, found.key_id) == ("acme", ["read"], view.id)
    revoke_key(database, "acme", view.id)
    assert find_session(database, session, 3600) is None


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE api_keys SET expires_at = clock_timestamp()",
        "UPDATE api_keys SET revoked_at = clock_timestamp()",
        "UPDATE sessions SET last_seen_at = clock_timestamp() - interval '3601 seconds'",
        "UPDATE sessions SET expires_at = clock_timestamp()",
    ],
)
def test_how_a_session_ends(database: Database, ending: str) -> None:
    """By its key's end, by being idle, and after its longest time."""
    view, _ = create_key(database, "acme", ["read"], "one")
    session = new_session_id()
    begin_session(database, view.id, session, 7200)
    execute(database, ending)
    assert find_session(database, session, 3600) is None


def test_a_session_is_stored_as_a_hash(database: Database) -> None:
    """Who reads the table cannot be anybody."""
    view, _ = create_key(database, "acme", ["read"], "one")
    session = new_session_id()
    begin_session(database, view.id, session, 7200)
    assert session not in row(database, "SELECT s::text AS text FROM sessions s").text
    end_session(database, session)
    assert find_session(database, session, 3600) is None


def test_the_first_key_is_made_once_by_many(database: Database) -> None:
    """Of eight processes that start at once one makes the key, and all find it."""
    key, found = new_key(), []
    threads = [threading.Thread(target=lambda: found.append(bootstrap(database, key.text))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [Bootstrapped.MADE] + [Bootstrapped.THERE] * 7
    (view,) = list_keys(database)
    assert (view.tenant, view.scopes, view.prefix) == ("default", ["admin"], key.prefix)


def test_the_first_key_is_the_first(database: Database) -> None:
    """Where there are keys none is made, and a revoked first key does not come back."""
    first = new_key()
    bootstrap(database, first.text)
    assert bootstrap(database, new_key().text) is Bootstrapped.LATE
    revoke_key(database, None, list_keys(database)[0].id)
    assert bootstrap(database, first.text) is Bootstrapped.REVOKED
    assert find_key(database, first.prefix) is None


@pytest.mark.parametrize(
    "text",
    [
        "secret",
        "ik_admin",
        "x" * 64,
        KeyText("ik_0123456789ab", "a" * 32).text,
        KeyText("ik_0123456789ab", "ab" * 16).text,
    ],
)
def test_a_first_key_that_could_be_guessed_is_refused(database: Database, text: str) -> None:
    """What a person made up is refused with the command that draws one."""
    with pytest.raises(BootstrapRefused, match="inkqueue keys generate"):
        bootstrap(database, text)
    assert not any_key(database)


def test_a_first_key_with_a_known_public_part_is_refused(database: Database) -> None:
    """Another secret under the same public part is a mistake that is told."""
    key = new_key()
    bootstrap(database, key.text)
    with pytest.raises(BootstrapRefused, match="differs"):
        bootstrap(database, KeyText(key.prefix, new_key().secret).text)
