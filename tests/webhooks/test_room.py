"""The circuit breaker and the room for attempts: who may begin, who is held back."""

from __future__ import annotations

import random

from shared.webhooks.queue import Receiver
from worker.webhooks.circuit import FAILURES_TO_OPEN, LONGEST_OPEN_S, Circuit
from worker.webhooks.room import AGAIN_EACH, FREE, NONE, PROBE, Room

A, B, C = Receiver("t", "https://a"), Receiver("t", "https://b"), Receiver("other", "https://a")


class Clock:
    """A steady clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def fail(room: Room, receiver: Receiver, times: int) -> None:
    """Let attempts fail one after the other."""
    for _ in range(times):
        began = room.begin(receiver)
        room.leave(receiver, old=False)
        room.learn(receiver, began, False)


def test_failures_in_a_row_open_the_circuit_and_a_success_closes_it() -> None:
    """Open: nobody begins; then one at a time; the first success lets all through again."""
    clock = Clock()
    room = Room(1000, clock)
    fail(room, A, FAILURES_TO_OPEN)
    assert room.limits()[A] == NONE
    clock.now += 2.0
    assert room.limits()[A] == PROBE
    began = room.begin(A)
    assert room.limits()[A] == NONE
    room.leave(A, old=False)
    room.learn(A, began, True)
    assert room.limits()[A] == FREE


def test_an_open_circuit_probes_ever_more_seldom_but_goes_on() -> None:
    """The wait grows to its limit and no further."""
    clock = Clock()
    room = Room(1000, clock)
    fail(room, A, FAILURES_TO_OPEN)
    for _ in range(12):
        waited = 0
        while room.limits()[A] == NONE:
            clock.now += 1
            waited += 1
        fail(room, A, 1)
    assert LONGEST_OPEN_S * 0.8 < waited < LONGEST_OPEN_S * 1.3


def test_failures_at_random_never_open_it() -> None:
    """A receiver that fails four of ten goes on."""
    draw = random.Random(7)
    circuit = Circuit()
    for n in range(20_000):
        circuit.began()
        if draw.random() < 0.4:
            circuit.bad(float(n), n + 0.5)
        else:
            circuit.good(n + 0.5)
        assert circuit.closed


def test_a_failure_older_than_the_last_success_says_nothing() -> None:
    """Stalls that time out long after they began do not speak against a receiver that has worked since."""
    circuit = Circuit()
    circuit.good(50.0)
    for _ in range(3 * FAILURES_TO_OPEN):
        circuit.bad(49.0, 60.0)
    assert circuit.closed


def test_one_tenant_cannot_open_anothers_circuit() -> None:
    """Failures at the same host count for the tenant that had them."""
    room = Room(1000, Clock())
    fail(room, A, FAILURES_TO_OPEN)
    assert room.limits()[A] == NONE
    assert room.limits().get(C, FREE) == FREE


def test_stalled_attempts_leave_the_young_ones_their_places() -> None:
    """A receiver with many attempts that take long may begin as many new ones as before."""
    room = Room(1000, Clock())
    for _ in range(200):
        room.begin(A)
        room.age(A)
    assert room.limits()[A] == FREE


def test_further_tries_leave_first_ones_their_places() -> None:
    """However many failed ones are on their way again, as many first ones may begin as ever."""
    room = Room(1000, Clock())
    for _ in range(AGAIN_EACH):
        room.begin(A, again=True)
    assert room.limits()[A] == (FREE.first, FREE.first, 0)
    room.age(A, again=True)
    assert room.limits()[A] == (FREE.first + 1, FREE.first, 1)


def test_first_tries_leave_further_ones_their_places() -> None:
    """A flood of news does not keep what has failed from being tried again."""
    room = Room(1000, Clock())
    for _ in range(FREE.first):
        room.begin(A)
    assert room.limits()[A] == (AGAIN_EACH, 0, AGAIN_EACH)


def test_further_tries_of_many_receivers_leave_room_for_first_ones() -> None:
    """Retries take at most half of the places that all receivers share."""
    room = Room(1000, Clock())
    for n in range(8):
        for _ in range(AGAIN_EACH):
            room.begin(Receiver("t", f"https://{n}"), again=True)
    assert room.places == FREE._replace(again=0)
    assert room.free >= FREE.first


def test_nobody_can_take_all_the_room() -> None:
    """A receiver that only stalls stops at a share; another can still begin, and another tenant always."""
    room = Room(300, Clock())
    began = 0
    while room.limits().get(A, FREE) != NONE and room.free:
        room.begin(A)
        room.age(A)
        began += 1
    assert 100 <= began <= 200
    assert room.free > 0
    assert B not in room.limits()


def test_a_tenant_with_many_stalling_receivers_is_held() -> None:
    """A thousand names of one tenant take no more than the tenant's share."""
    room = Room(300, Clock())
    for n in range(1000):
        if "t" in room.held():
            break
        room.begin(Receiver("t", f"https://{n}"))
        room.age(Receiver("t", f"https://{n}"))
    assert room.held() == ["t"]
    assert room.free > 50


def test_what_has_ended_is_forgotten() -> None:
    """Counters go back to nothing."""
    room = Room(1000, Clock())
    for old in (False, True):
        began = room.begin(A)
        if old:
            room.age(A)
        room.leave(A, old=old)
        room.learn(A, began, True)
    assert room.limits() == {}
