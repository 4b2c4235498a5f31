"""Try one delivery once: send it, read a little of the answer, and say what it means."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from shared.documents import time_text
from shared.errors import WebhookUrlRefused
from shared.ids import delivery_id_text
from shared.webhooks.queue import Claimed, Outcome
from shared.webhooks.schedule import Schedule, retry_after_s
from shared.webhooks.signing import signatures

USER_AGENT = "inkqueue-webhooks/1"
MOST_ANSWER = 1024
ANSWER_S = 2.0
"""The status decides; an answer's text that does not come within this time is not waited for."""
END_S = 0.05
"""An answer is let go so long before the end of the attempt, so that its status still counts."""

_TIMEOUT = "No answer came in time."
_REFUSED = "The address may not be called."
_TLS = (
    "No secure connection could be made: the certificate or the TLS settings of the receiver are not valid."
)
_CONNECT = "No connection could be made: the host is unknown, not public, or does not answer."
_BROKEN = "The connection broke before an answer came."
_PROTOCOL = "The answer was no valid HTTP."
_UNSENT = "The delivery could not be sent."


@dataclass(frozen=True, slots=True)
class Result:
    """What one attempt has brought: an HTTP status with the first bytes of the answer, or an error in words."""

    at: datetime
    duration_ms: int
    status: int | None = None
    answer: bytes | None = None
    retry_after: str | None = None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        """Tell whether the receiver took it: 2xx and nothing else."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def alive(self) -> bool:
        """Tell whether the receiver seems to work, although it may refuse this delivery."""
        return self.status is not None and self.status < 500 and self.status != 429


async def attempt(
    line: httpx.AsyncBaseTransport,
    claimed: Claimed,
    body: bytes,
    keys: Sequence[str],
    at: datetime,
    timeout_s: float,
) -> Result:
    """Send a delivery; everything together takes at most `timeout_s`. Never raises but when it is canceled.

    Args:
        keys: the secrets that sign.
        at: the time of this attempt by the database's clock.
    """
    began = time.monotonic()
    headers = _headers(claimed, body, keys, at)
    try:
        async with asyncio.timeout(timeout_s) as limit:
            response = await line.handle_async_request(_request(claimed.url, headers, body, timeout_s))
            try:
                answer = await _first_bytes(response, limit)
            finally:
                await response.aclose()
            return Result(at, _ms(began), response.status_code, answer, response.headers.get("retry-after"))
    except Exception as error:  # whatever a stranger's answer leads to is the outcome of this attempt
        return Result(at, _ms(began), error=_words(error))


def judge(claimed: Claimed, result: Result, schedule: Schedule) -> Outcome:
    """Say what an attempt means for its delivery: delivered, tried again later, or given up."""
    tried = claimed.step + 1
    if result.delivered:
        state, reason, wait = "delivered", None, None
    elif result.status == 410:
        state, reason, wait = "failed", "gone", None
    else:
        asked = retry_after_s(result.retry_after, result.at)
        wait = None if claimed.kind == "test" else schedule.wait_s(tried, asked)
        state, reason = ("failed", "exhausted") if wait is None else ("pending", None)
    return Outcome(claimed.id, claimed.token, state, reason, wait, claimed.step, _entry(result))


def unwritten(claimed: Claimed, at: datetime) -> tuple[Result, Outcome]:
    """Give up a delivery that has nothing to say: its job is gone, or its body cannot be written."""
    gone = claimed.snapshot is None
    result = Result(at, 0, error="The job is gone." if gone else "Its body could not be written.")
    reason = "job_gone" if gone else "body_broken"
    return result, Outcome(claimed.id, claimed.token, "failed", reason, None, claimed.step, _entry(result))


def _headers(claimed: Claimed, body: bytes, keys: Sequence[str], at: datetime) -> dict[str, str]:
    message_id = delivery_id_text(claimed.id)
    timestamp = int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures(keys, message_id, timestamp, body),
    }
    if claimed.traceparent:
        headers["traceparent"] = claimed.traceparent
    return headers


def _request(url: str, headers: dict[str, str], body: bytes, timeout_s: float) -> httpx.Request:
    limits = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
    return httpx.Request("POST", url, headers=headers, content=body, extensions={"timeout": limits})


async def _first_bytes(response: httpx.Response, limit: asyncio.Timeout) -> bytes:
    """Read at most 1 kB, and not for long: the rest, and a receiver that drips, is cut off."""
    found = bytearray()
    left_s = (limit.when() or 0.0) - asyncio.get_running_loop().time() - END_S
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(min(ANSWER_S, max(0.0, left_s))):
            async for part in response.aiter_raw():
                found += part
                if len(found) >= MOST_ANSWER:
                    break
    return bytes(found[:MOST_ANSWER])


def _words(error: BaseException) -> str:
    """Say what went wrong without any name or address of ours."""
    match error:
        case TimeoutError() | httpx.TimeoutException():
            return _TIMEOUT
        case WebhookUrlRefused():
            return _REFUSED
        case httpx.ConnectError():
            return _TLS if _by_tls(error) else _CONNECT
        case httpx.ProtocolError():
            return _PROTOCOL
        case httpx.TransportError():
            return _BROKEN
        case _:
            return _UNSENT


def _by_tls(error: BaseException) -> bool:
    """Tell whether TLS failed, which happens only after a connection to a checked address."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _entry(result: Result) -> dict[str, object]:
    """Lay an attempt out for the log; what Postgres cannot keep in JSON is replaced."""
    text = None if result.answer is None else result.answer.decode("utf-8", "replace").replace("\0", "\ufffd")
    return {
        "at": time_text(result.at),
        "status_code": result.status,
        "duration_ms": result.duration_ms,
        "response": text,
        "error": result.error or (None if result.delivered else _status_words(result.status)),
    }


def _status_words(status: int | None) -> str:
    if status is not None and 300 <= status < 400:
        return "Redirects are not followed; only 2xx counts as delivered."
    if status == 410:
        return "The receiver wants no more of this (410)."
    return "Only 2xx counts as delivered."


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def moment(claimed: Claimed, since: float) -> datetime:
    """Return the database's time now, from the claim and the seconds that have passed since by our own clock."""
    return claimed.now + timedelta(seconds=time.monotonic() - since)
