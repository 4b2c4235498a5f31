"""HTTP/1.1 by httptools; what is no HTTP at all is answered with a problem document too."""

from __future__ import annotations

import uuid

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.problems import MEDIA_TYPE, document
from shared.errors import BadRequest


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for the answer to what cannot be parsed."""

    def send_400_response(self, msg: str) -> None:
        """Answer and close."""
        request_id = uuid.uuid4().hex
        body = orjson.dumps(document(BadRequest("This is no valid HTTP request."), "", request_id))
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nx-request-id: {request_id}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
