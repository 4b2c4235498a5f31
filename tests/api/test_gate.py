"""What goes on for long is judged again on the way."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from api import gate
from api.caller import Caller
from api.gate import Watch
from shared.errors import InkqueueError, Unauthorized, Unavailable

PART: Message = {"type": "http.request", "body": b"x", "more_body": True}
START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"cache-control", b"private, max-age=9")],
}


class Exchange:
    """One request whose caller is judged by what stands in `verdict`."""

    def __init__(self) -> None:
        """Begin with a good caller."""
        self.verdict: InkqueueError | None = None
        self.sent: list[Message] = []
        self.watch = Watch(self.judge, self.receive, self.send)

    async def judge(self) -> Caller | None:
        """Raise the verdict, if there is one."""
        if self.verdict is not None:
            raise self.verdict
        return Caller()

    async def receive(self) -> Message:
        """Return a part of a body."""
        return PART

    async def send(self, message: Message) -> None:
        """Keep what is sent."""
        self.sent.append(message)


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    """Lend an exchange that is judged at every step."""
    monkeypatch.setattr(gate, "AGAIN_S", 0.0)
    return Exchange()


def test_an_upload_stops_when_its_key_ends(exchange: Exchange) -> None:
    """The next part of a body is refused, so that no job comes of it."""
    assert asyncio.run(exchange.watch.receive()) == PART
    exchange.verdict = Unauthorized()
    with pytest.raises(Unauthorized):
        asyncio.run(exchange.watch.receive())
    assert exchange.watch.ended


def test_an_answer_that_was_waited_for_is_withheld(exchange: Exchange) -> None:
    """A long poll ends with a refusal and not with the job."""
    exchange.verdict = Unauthorized()
    with pytest.raises(Unauthorized):
        asyncio.run(exchange.watch.send(START))
    assert exchange.sent == []
    asyncio.run(exchange.watch.send({**START, "status": 401}))
    assert [message["status"] for message in exchange.sent] == [401]


def test_a_database_that_is_away_cuts_nobody_off(exchange: Exchange) -> None:
    """What goes on while nobody can be asked goes on until the next look."""
    exchange.verdict = Unavailable()
    asyncio.run(exchange.watch.send({"type": "http.response.body", "body": b"x", "more_body": True}))
    assert len(exchange.sent) == 1
    assert not exchange.watch.ended


def test_a_cache_keeps_callers_apart(exchange: Exchange) -> None:
    """What may be kept for one caller is not given to the next one who shares the cache."""
    asyncio.run(exchange.watch.send({**START, "headers": list(START["headers"])}))
    headers = dict(exchange.sent[0]["headers"])
    assert headers[b"vary"] == b"Authorization, X-API-Key, Cookie"


def test_a_short_request_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds nothing is asked again."""
    exchange = Exchange()
    exchange.verdict = Unauthorized()
    assert asyncio.run(exchange.watch.receive()) == PART
