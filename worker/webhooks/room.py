"""How many attempts may be under way: in all, to one receiver, for one tenant.

An attempt is young for its first second. Young ones are limited to few a receiver, with places of their own for first
and for further tries: however many have failed, what is new goes out. Those that take longer only hold a connection, so
there may be many, and they are counted apart: a receiver that stalls one call in ten goes on getting the other nine.
Who holds as many of them as are left free gets no more (Choudhury and Hahne, dynamic queue length
thresholds, 1998), so there is always room for somebody else.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from shared.webhooks.queue import Places, Receiver
from worker.webhooks.circuit import Circuit

K = TypeVar("K")
YOUNG_S = 1.0
YOUNG = 256
YOUNG_AGAIN = YOUNG // 2
FIRST_EACH = 48
AGAIN_EACH = 16
FREE = Places(FIRST_EACH + AGAIN_EACH, FIRST_EACH, AGAIN_EACH)
NONE = Places(0, 0, 0)
PROBE = Places(1, 1, 1)
TENANT_SHARE = 2
"""A tenant gets no more when its old attempts are so many times what is left free; a receiver at once it."""
MOST_CIRCUITS = 20_000


class Room:
    """The attempts under way in this process, and what is known of their receivers."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = max(FREE.all, most)
        self._clock = clock
        self._young: Counter[Receiver] = Counter()
        self._again: Counter[Receiver] = Counter()
        self._old: Counter[Receiver] = Counter()
        self._old_of_tenant: Counter[str] = Counter()
        self._circuits: dict[Receiver, Circuit] = {}

    @property
    def free(self) -> int:
        """Return how many attempts may begin now."""
        return max(0, min(YOUNG - self._young.total(), self._left() - self._young.total()))

    @property
    def places(self) -> Places:
        """Return how many attempts may begin to a receiver of which nothing is known."""
        return FREE if self._again.total() < YOUNG_AGAIN else FREE._replace(again=0)

    def limits(self) -> dict[Receiver, Places]:
        """Return how many attempts may begin to each receiver of which anything is known."""
        known = {*self._young, *self._old, *self._circuits}
        return {receiver: self._limit(receiver) for receiver in known}

    def held(self) -> list[str]:
        """Return the tenants for whom none may begin."""
        most = TENANT_SHARE * self._left()
        return [tenant for tenant, number in self._old_of_tenant.items() if number >= most]

    def begin(self, receiver: Receiver, *, again: bool = False) -> float:
        """Count an attempt in; return when it began."""
        self._young[receiver] += 1
        if again:
            self._again[receiver] += 1
        if receiver in self._circuits:
            self._circuits[receiver].began()
        return self._clock()

    def age(self, receiver: Receiver, *, again: bool = False) -> None:
        """Count an attempt as an old one."""
        self._no_longer_young(receiver, again)
        self._old[receiver] += 1
        self._old_of_tenant[receiver.tenant] += 1

    def leave(self, receiver: Receiver, *, old: bool, again: bool = False) -> None:
        """Count an attempt out."""
        if old:
            _less(self._old, receiver)
            _less(self._old_of_tenant, receiver.tenant)
        else:
            self._no_longer_young(receiver, again)

    def learn(self, receiver: Receiver, began_at: float, alive: bool | None) -> None:
        """Note what an attempt has told of its receiver; None when it has told nothing."""
        circuit = self._circuits.get(receiver)
        if circuit is None and alive is False:
            circuit = self._circuits[receiver] = Circuit()
            self._forget()
        if circuit is None:
            return
        if alive is None:
            circuit.dropped()
        elif alive:
            circuit.good(self._clock())
        else:
            circuit.bad(began_at, self._clock())

    def _left(self) -> int:
        return self._most - self._old.total()

    def _limit(self, receiver: Receiver) -> Places:
        circuit = self._circuits.get(receiver)
        if circuit is not None and not circuit.closed:
            return PROBE if circuit.probes(self._clock()) else NONE
        if self._old[receiver] >= self._left():
            return NONE
        free, again = self.places, self._again[receiver]
        first = max(0, free.first - self._young[receiver] + again)
        again = max(0, free.again - again)
        return Places(first + again, first, again)

    def _no_longer_young(self, receiver: Receiver, again: bool) -> None:
        _less(self._young, receiver)
        if again:
            _less(self._again, receiver)

    def _forget(self) -> None:
        """Drop the oldest circuits when there are very many; they are learned anew."""
        while len(self._circuits) > MOST_CIRCUITS:
            self._circuits.pop(next(iter(self._circuits)))


def _less(counter: Counter[K], key: K) -> None:
    """Count one out, and keep no zeros."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
