"""Check that a webhook comes from your inkqueue service, and read it (Standard Webhooks 1.0.0).

>>> from inkqueue.webhooks import verify
>>> event = verify(request.body, request.headers, "whsec_…")  # doctest: +SKIP
>>> if event.type == "job.completed":  # doctest: +SKIP
...     print(event.job.id, event.job.status)

Only the standard library is needed. Give the bytes of the body as they came: JSON that was parsed and written again has
another signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from inkqueue.problems import InkqueueError

if TYPE_CHECKING:
    from inkqueue.models import JobState

TOLERANCE_S = 300
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_PREFIX = "whsec_"
_LEAST_SECRET = 16
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}")  # no dot: it parts id, timestamp and body


class WebhookVerificationError(InkqueueError):
    """This webhook is not to be trusted; answer it with a 4xx status and do nothing else."""


class MissingWebhookHeader(WebhookVerificationError):
    """One of `webhook-id`, `webhook-timestamp` and `webhook-signature` is missing, repeated or malformed."""


class WebhookTimestampRefused(WebhookVerificationError):
    """It was signed too long ago or in the future: perhaps a replay, perhaps a wrong clock."""


class WebhookSignatureRefused(WebhookVerificationError):
    """No signature fits: the body was changed, or the secret is another one."""


class WebhookBodyRefused(WebhookVerificationError):
    """It is signed rightly and is no event of an inkqueue service."""


class HeaderItems(Protocol):
    """The headers of any web framework: something with `items()`."""

    def items(self) -> Iterable[tuple[Any, Any]]:
        """Return names and values."""
        ...


@dataclass(frozen=True)
class Event:
    """A webhook that was checked.

    `id` is the same on every try: keep the ids that you have handled, and do nothing when one comes again.
    """

    id: str
    type: str
    timestamp: datetime | None
    data: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def job(self) -> JobState:
        """Return the job that the event tells of.

        Raises:
            UnexpectedAnswer: the event tells of something else, such as `webhook.test`.
        """
        from inkqueue.decoding import decode
        from inkqueue.models import JobState

        return decode(JobState, self.data)


def verify(
    payload: bytes | str,
    headers: HeaderItems | Mapping[str, str],
    secret: str | Sequence[str],
    tolerance_s: float = TOLERANCE_S,
    *,
    now: float | None = None,
) -> Event:
    """Check signature and age of a webhook and return its event; in constant time, without network.

    Args:
        payload: the body, byte for byte.
        headers: the request's headers; case does not matter.
        secret: `whsec_…`, or several of them while they are being rotated.
        tolerance_s: how many seconds its timestamp may be away, either way.
        now: seconds since 1970; the clock of this machine when left out.

    Raises:
        WebhookVerificationError: it is not to be trusted; the subclass says why.
        ValueError: `secret` is none.
    """
    keys = [_key(one) for one in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("verify needs at least one secret")
    body = payload.encode() if isinstance(payload, str) else bytes(payload)
    message_id, timestamp, given = _three(headers)
    _check_signature(keys, f"{message_id}.{timestamp}.".encode() + body, given)
    age = (time.time() if now is None else now) - int(timestamp)
    if not -tolerance_s <= age <= tolerance_s:
        raise WebhookTimestampRefused(f"The webhook was signed {abs(age):.0f} s {_side(age)}.")
    return _event(message_id, body)


def _key(secret: str) -> bytes:
    """Return the key bytes of a secret; the message never shows it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError, AttributeError) as error:
        raise ValueError("the secret is to be whsec_ and base64, as the service shows it") from error
    if len(key) < _LEAST_SECRET:
        raise ValueError("the secret is too short to be one")
    return key


def _three(headers: HeaderItems | Mapping[str, str]) -> tuple[str, str, str]:
    """Return id, timestamp and signatures."""
    found: dict[str, set[str]] = {}
    for name, value in headers.items():
        lower = _text(name).lower()
        if lower in _HEADERS:
            found.setdefault(lower, set()).update(
                map(_text, value if isinstance(value, list | tuple) else [value])
            )
    values = []
    for name in _HEADERS:
        if len(found.get(name, ())) != 1:
            raise MissingWebhookHeader(
                f"The header {name} is {'missing' if name not in found else 'repeated'}."
            )
        values.append(found[name].pop().strip())
    message_id, timestamp, given = values
    if not _ID.fullmatch(message_id):
        raise MissingWebhookHeader("The header webhook-id is no id.")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise MissingWebhookHeader("The header webhook-timestamp is no number of seconds.")
    return message_id, timestamp, given


def _check_signature(keys: Sequence[bytes], signed: bytes, given: str) -> None:
    """Compare every signature of a known version with that of every key; all of them, whatever fits."""
    ours = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()) for key in keys]
    theirs = [part[3:].encode("utf-8", "replace") for part in given.split(" ")[:32] if part.startswith("v1,")]
    if not theirs:
        raise WebhookSignatureRefused("The webhook has no signature of version v1.")
    fits = [hmac.compare_digest(one, other) for one in ours for other in theirs]
    if not any(fits):
        raise WebhookSignatureRefused("No signature of the webhook fits: is this the secret of the service?")


def _event(message_id: str, body: bytes) -> Event:
    """Read the body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookBodyRefused("The body of the webhook is no JSON.") from error
    kind = document.get("type") if isinstance(document, dict) else None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise WebhookBodyRefused("The body of the webhook is no event: it lacks `type` or `data`.")
    return Event(message_id, kind, _moment(document.get("timestamp")), data, document)


def _moment(value: object) -> datetime | None:
    """Read the event's time; one in a form that is not known is no reason to refuse it."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _side(age: float) -> str:
    return "ago" if age > 0 else "in the future"
