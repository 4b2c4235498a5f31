"""Standard Webhooks 1.0.0: their library verifies ours, ours verifies theirs, and nothing forged passes either."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from inkqueue.webhooks import (
    MissingWebhookHeader,
    WebhookBodyRefused,
    WebhookSignatureRefused,
    WebhookTimestampRefused,
    WebhookVerificationError,
    verify,
)
from shared.webhooks.signing import new_secret, signatures

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
BODY = b'{"type":"job.completed","timestamp":"2026-01-02T03:04:05.000000Z","data":{"id":"job_1","status":"succeeded"}}'
NOW = 1_767_323_045


def headers(
    body: bytes = BODY, *, at: int = NOW, keys: tuple[str, ...] = (SECRET,), message: str = "whd_1"
) -> dict[str, str]:
    """Return the headers that the sender makes."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": signatures(keys, message, at, body),
    }


def test_an_event_is_read() -> None:
    """Id, type, time and data, whatever the case of the headers."""
    given = {name.title(): value for name, value in headers().items()}
    event = verify(BODY, given, SECRET, now=NOW + 10)
    assert (event.id, event.type, event.data["status"]) == ("whd_1", "job.completed", "succeeded")
    assert event.timestamp == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert verify(BODY.decode(), given, SECRET.removeprefix("whsec_"), now=NOW) == event


@given(st.binary(min_size=24, max_size=64), st.text(), st.uuids())
def test_their_library_verifies_ours(key: bytes, text: str, number: object) -> None:
    """For any secret, body and id."""
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps({"type": "x", "data": {"text": text}}).encode()
    made = headers(body, at=int(time.time()), keys=(secret,), message=f"whd_{number}")
    assert Webhook(secret).verify(body, made) == json.loads(body)


@given(st.binary(min_size=24, max_size=64), st.text(), st.uuids())
def test_ours_verifies_theirs(key: bytes, text: str, number: object) -> None:
    """For any secret, body and id."""
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps({"type": "x", "data": {"text": text}})
    at = datetime.now(UTC)
    made = {
        "webhook-id": f"msg_{number}",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(f"msg_{number}", at, body),
    }
    assert verify(body, made, secret).data == {"text": text}


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "whd_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()},
        {"webhook-signature": "v2," + signatures([SECRET], "whd_1", NOW, BODY)[3:]},
        {"webhook-signature": "v1a," + signatures([SECRET], "whd_1", NOW, BODY)[3:]},
        {"webhook-signature": signatures([SECRET], "whd_1", NOW, BODY)[3:]},
        {"webhook-signature": signatures([SECRET], "whd_1", NOW, BODY)[:-2]},
        {"webhook-signature": signatures([OTHER], "whd_1", NOW, BODY)},
        {"webhook-signature": "v1,ä€\ud800"},
        {"webhook-signature": " ".join(["v1,x"] * 100_000)},
    ],
)
def test_a_change_of_any_header_is_refused(change: dict[str, str]) -> None:
    """Neither id nor time nor signature can be exchanged."""
    with pytest.raises(WebhookSignatureRefused):
        verify(BODY, headers() | change, SECRET, now=NOW)


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_change_of_any_byte_is_refused(place: int, flip: int) -> None:
    """Also one that leaves the JSON valid."""
    changed = bytearray(BODY)
    changed[place] ^= flip
    with pytest.raises(WebhookSignatureRefused):
        verify(bytes(changed), headers(), SECRET, now=NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_or_repeated_header_is_refused(name: str) -> None:
    """Two different values of one header are nobody's choice."""
    without = {key: value for key, value in headers().items() if key != name}
    twice: dict[str, object] = {**headers(), name: [headers()[name], "x"]}
    for wrong in (without, twice):
        with pytest.raises(MissingWebhookHeader, match=name):
            verify(BODY, wrong, SECRET, now=NOW)


@pytest.mark.parametrize(
    "text", ["", "abc", "-5", "1e9", "１７６７", "0", "+1767323045", "1_767", "9" * 40, "nan"]
)
def test_a_timestamp_that_is_no_number_is_refused(text: str) -> None:
    """Before anything is computed of it."""
    with pytest.raises(MissingWebhookHeader):
        verify(BODY, headers() | {"webhook-timestamp": text}, SECRET, now=NOW)


@pytest.mark.parametrize("age", [301, -301, 10**6])
def test_an_old_or_future_webhook_is_refused(age: int) -> None:
    """A replay is told apart from a forgery."""
    with pytest.raises(WebhookTimestampRefused):
        verify(BODY, headers(), SECRET, now=NOW + age)


@pytest.mark.parametrize("age", [300, -300, 0])
def test_the_tolerance_holds_to_its_last_second(age: int) -> None:
    """Five minutes either way."""
    assert verify(BODY, headers(), SECRET, now=NOW + age).id == "whd_1"


def test_several_secrets_and_several_signatures() -> None:
    """During a rotation, whichever side has gone ahead."""
    both = headers(keys=(OTHER, SECRET))
    assert verify(BODY, both, SECRET, now=NOW).id == verify(BODY, both, OTHER, now=NOW).id
    assert verify(BODY, headers(), [OTHER, SECRET], now=NOW).id == "whd_1"


def test_the_parts_of_what_is_signed_cannot_be_moved() -> None:
    """A body that holds `.<time>.{…}` does not turn into another message with a longer id."""
    inner = b'{"type":"job.completed","data":{}}'
    body = b'{"type":"x","data":{"m":".%d.' % NOW + inner
    made = headers(body)
    moved = made | {"webhook-id": f"whd_1.{NOW}." + body.decode().split(f".{NOW}.")[0]}
    with pytest.raises(MissingWebhookHeader):
        verify(inner, moved, SECRET, now=NOW)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b'{"type":1,"data":{}}', b'{"type":"x"}', b"\xff", b"[" * 100_000]
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    """Clearly, and not by a KeyError later."""
    with pytest.raises(WebhookBodyRefused):
        verify(body, headers(body), SECRET, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_YQ==", []])
def test_a_secret_that_is_none_is_a_programming_error(secret: object) -> None:
    """An empty key would accept what anybody signs."""
    with pytest.raises(ValueError):
        verify(BODY, headers(), secret, now=NOW)  # type: ignore[arg-type]  # that is what is tested


def test_the_errors_are_of_the_one_tree() -> None:
    """Callers catch one class."""
    for kind in (MissingWebhookHeader, WebhookSignatureRefused, WebhookTimestampRefused, WebhookBodyRefused):
        assert issubclass(kind, WebhookVerificationError)


def test_secrets_are_long_and_differ() -> None:
    """24 to 64 random bytes, as the standard asks."""
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in made} == {32}
