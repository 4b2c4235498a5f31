"""Names are looked up in threads that nobody can take away from all others."""

from __future__ import annotations

import threading

import pytest

from shared.outbound.lookup import MOST_EACH, MOST_THREADS, owner_of, start_lookup


def test_servers_that_never_answer_hold_up_no_others() -> None:
    """Names of one owner that hang, however many, leave threads for everybody else, and are answered in the end."""
    hang = threading.Event()

    def resolve(name: str) -> list[str]:
        if "evil" in name:
            hang.wait(30)
        return ["93.184.215.14"]

    stuck = [start_lookup(f"a{n}.evil.example.", resolve) for n in range(2 * MOST_THREADS)]
    try:
        for n in range(2 * MOST_THREADS):
            start_lookup(f"hooks{n}.good.example.", resolve).result(timeout=5)
        assert sum(one.running() for one in stuck) <= MOST_EACH
    finally:
        hang.set()
    assert all(one.result(timeout=10) for one in stuck)


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("a.b.example.org.", "example.org"),
        ("example.org", "example.org"),
        ("a.b.example.co.uk.", "example.co.uk"),
        ("receiver", "receiver"),
    ],
)
def test_who_owns_a_name(name: str, owner: str) -> None:
    """It is the name that is registered, for most names; below it everything is one owner's."""
    assert owner_of(name) == owner
