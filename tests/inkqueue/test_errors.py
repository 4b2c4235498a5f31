"""Refusals become exceptions, one class a code."""

from __future__ import annotations

import pickle

import pytest

from inkqueue import ApiError, Client, InkqueueError, UnexpectedAnswer
from inkqueue.exceptions import ImageRefused, InvalidRequest, Problem, UndecodableImage
from shared import errors as service_errors
from shared.errors import InkqueueError as ServiceError
from tests.inkqueue.conftest import PNG
from tests.inkqueue.memory import FakeService


def service_codes() -> set[str]:
    """Return every code that the service can answer with."""
    classes = [one for one in vars(service_errors).values() if isinstance(one, type)]
    return {one.code for one in classes if issubclass(one, ServiceError)}


def test_every_code_of_the_service_has_its_own_exception() -> None:
    """The service's error tree and the client's exceptions name the same codes."""
    assert set(ApiError.by_code()) == service_codes()
    assert len(set(ApiError.by_code().values())) == len(service_codes())


@pytest.mark.parametrize("code", sorted(service_codes()))
def test_a_refusal_raises_the_class_of_its_code(client: Client, service: FakeService, code: str) -> None:
    """The exception carries what the answer said."""
    service.refuse(422, code, errors=[{"loc": "mode", "msg": "no such mode"}])

    with pytest.raises(ApiError.by_code()[code]) as caught:
        client.get("job_1")

    error = caught.value
    assert (error.status, error.code, error.request_id) == (422, code, "req-1")
    assert str(error) == f"It is {code}. (mode: no such mode)"
    assert error.errors == ({"loc": "mode", "msg": "no such mode"},)


def test_an_unknown_code_is_still_an_error(client: Client, service: FakeService) -> None:
    """A newer service's code is kept in the base class."""
    service.refuse(418, "teapot")

    with pytest.raises(ApiError) as caught:
        client.get("job_1")

    assert type(caught.value) is ApiError
    assert caught.value.code == "teapot"


def test_a_proxy_that_speaks_html_is_understood(client: Client, service: FakeService) -> None:
    """An answer without problem+json gives its status."""

    def answer(handler: object) -> bool:
        handler.send_whole(413, b"<html>too big</html>", "text/html")  # type: ignore[attr-defined] # the fake's own
        return True

    service.faults.append(answer)

    with pytest.raises(ApiError, match="413 Request Entity Too Large") as caught:
        client.submit(PNG)
    assert caught.value.code == "http_413"


@pytest.mark.parametrize(
    "content", [b"<html>hello</html>", b"[]", b'{"id": "job_1"}', b'{"id": 5, "status": "x", "counts": {}}']
)
def test_an_address_without_inkqueue_is_told(client: Client, service: FakeService, content: bytes) -> None:
    """An answer that is none of the contract's is one clear error, not a KeyError."""

    def answer(handler: object) -> bool:
        handler.send_whole(200, content, "text/html")  # type: ignore[attr-defined] # the fake's own
        return True

    service.faults.append(answer)

    with pytest.raises(UnexpectedAnswer):
        client.get("job_1")


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000",
        "http://host:port",
        "http://[::1",
        "http://",
        f"http://{'a' * 300}",
        "http://a:99999",
        "ftp://a",
    ],
)
def test_an_address_that_is_none_is_told(address: str) -> None:
    """What is no address is an error that shows how one looks, never a traceback of a library."""
    with pytest.raises(InkqueueError, match="http://host:8000"):
        Client(address)


def test_predict_reads_one_image_or_says_why_not(client: Client) -> None:
    """A reading is typed; an image that cannot be read is the exception of its code."""
    reading = client.predict(PNG)
    assert (reading.prediction, reading.decision) == ("7", "accept")
    with pytest.raises(UndecodableImage) as caught:
        client.predict(b"broken")
    assert isinstance(caught.value, ImageRefused)


def test_errors_can_be_pickled() -> None:
    """Exceptions cross process boundaries, as pools need it."""
    problem = Problem(status=422, code="invalid_request", title="t", detail="d")

    copy = pickle.loads(pickle.dumps(ApiError.of(problem)))

    assert isinstance(copy, InvalidRequest)
    assert copy.problem == problem


def test_the_key_travels_as_a_bearer_token(service: FakeService) -> None:
    """A key is sent with every request, and never shown."""
    with Client(service.url, api_key="ik_secret") as client:
        client.models()
    assert service.seen[0].headers["Authorization"] == "Bearer ik_secret"


def test_address_and_key_come_from_the_environment(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments the environment says where the service is."""
    monkeypatch.setenv("INKQUEUE_URL", service.url + "/")
    monkeypatch.setenv("INKQUEUE_API_KEY", "ik_env")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Client() as client:
        assert [card.name for card in client.models()] == ["digits"]
        assert client.workers()[0].lane == "bulk"
        assert client.health().ok
    assert service.seen[0].headers["Authorization"] == "Bearer ik_env"
