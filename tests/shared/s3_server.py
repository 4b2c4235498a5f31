"""A real S3-speaking server on loopback that writes down every request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import boto3  # type: ignore[import-untyped]
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "uploads"
KEY_ID, SECRET = "AKIATEST", "secret"


class Request(NamedTuple):
    """One request as the server got it; `span` is the Range header."""

    method: str
    path: str
    span: str

    @property
    def span_bytes(self) -> int:
        """Return how many bytes were asked for."""
        first, last = self.span.removeprefix("bytes=").split("-")
        return int(last) - int(first) + 1


@dataclass
class S3Server:
    """Address of the running server, and what it was asked."""

    endpoint: str
    requests: list[Request] = field(default_factory=list)

    def gets(self) -> list[Request]:
        """Return the reading requests."""
        return [request for request in self.requests if request.method == "GET"]

    def client(self) -> Any:
        """Return a client of another make, to look at what is stored."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )


class _Quiet(WSGIRequestHandler):
    """Keeps the requests out of the test's output."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """Run moto's S3 with one empty bucket."""
    app = DomainDispatcherApplication(create_backend_app)
    server = S3Server("")

    def logged(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        server.requests.append(
            Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE", ""))
        )
        return app(environ, respond)  # type: ignore[no-any-return]  # moto is untyped

    web = make_server("127.0.0.1", 0, logged, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.endpoint = f"http://127.0.0.1:{web.port}"
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    client.close()
    try:
        yield server
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
