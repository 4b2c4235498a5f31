"""What the client wants done on the network, as plain values: no I/O, no sync, no async.

Every operation of the client is a generator that yields `Effect`s and is sent their outcomes; the two drivers
(`client/blocking.py`, `client/asynchronous.py`) perform them. So each operation exists once.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Never, TypeVar

from inkqueue.client.bodies import Body
from inkqueue.exceptions import UnexpectedAnswer

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `repeatable` tells whether it may be sent again although it may have arrived.

    `read_timeout_s` replaces the client's own where an answer is known to take longer. `final_statuses` are
    not worth a repeat; `fine_when_repeated` say of a repeat that an earlier try has done the work.
    """

    method: str
    path: str
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    read_timeout_s: float | None = None
    repeatable: bool = True
    final_statuses: frozenset[int] = frozenset()
    fine_when_repeated: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request; `content` is empty for an open stream. Header names are lowercase."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        """Tell whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> object:
        """Parse the content.

        Raises:
            UnexpectedAnswer: it is no JSON.
        """
        try:
            return json.loads(self.content)
        except ValueError as error:
            kind = self.headers.get("content-type", "nothing known")
            raise UnexpectedAnswer(f"The answer (status {self.status}, {kind}) is no JSON.") from error


class TransportFailure(Exception):
    """The network failed; `arrived` tells whether the request may have reached the service."""

    def __init__(self, reason: str, *, arrived: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.arrived = arrived


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and read the whole answer: outcome `Reply`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and leave a 2xx answer's content to `Read`: outcome `Reply`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Read what comes next on the open stream: outcome bytes, empty at its end."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the open stream, if there is one: outcome None."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing for some seconds: outcome None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T_co]):
    """Hand a value to the caller's loop: outcome None."""

    value: T_co


Effect = Send | Open | Read | Close | Sleep
Outcome = Reply | bytes | None
Operation = Generator[Effect | Emit[T], Outcome, R]
Call = Generator[Effect | Emit[Never], Outcome, R]


def send(request: Request) -> Call[Reply]:
    """Send a request once."""
    return _reply((yield Send(request)))


def open_stream(request: Request) -> Call[Reply]:
    """Open a stream once."""
    return _reply((yield Open(request)))


def read() -> Call[bytes]:
    """Read the next bytes of the open stream, empty at its end."""
    outcome = yield Read()
    assert isinstance(outcome, bytes)
    return outcome


def close() -> Call[None]:
    """Close the open stream."""
    yield Close()


def sleep(seconds: float) -> Call[None]:
    """Wait."""
    yield Sleep(seconds)


def _reply(outcome: Outcome) -> Reply:
    assert isinstance(outcome, Reply)
    return outcome
