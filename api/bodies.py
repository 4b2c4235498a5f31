"""Bound the body of any request, whoever reads it: its size, its time, and how slowly it may drip."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from shared.errors import BadRequest, InkqueueError, PayloadTooLarge, RequestTimeout
from shared.settings import Settings

_UPLOADS = re.compile(r"/v1/jobs|/v1/predict|/jobs")
"""Their bodies go to the storage as they come; the largest size is looked at there."""


class Body:
    """The `receive` of one request. What it refuses it tells, so that no framework in between words it anew.

    Only the time in which the service waits for the client counts, not that in which the client waits for the service.
    """

    def __init__(
        self, receive: Receive, scope: Scope, settings: Settings, refuse: Callable[[InkqueueError], bool]
    ) -> None:
        self._inner = receive
        self._settings = settings
        self._refuse = refuse
        self._limit = (
            settings.max_upload_bytes if _UPLOADS.fullmatch(scope["path"]) else settings.max_json_bytes
        )
        self._began = time.monotonic()
        self._waited = 0.0
        self._size = 0
        self._over = False
        self._refused = False

    async def __call__(self) -> Message:
        """Return the next part of the body.

        Raises:
            RequestTimeout: it does not come, or comes too slowly.
            PayloadTooLarge: more came than this address takes.
        """
        if self._refused:
            return {"type": "http.disconnect"}
        if self._over:
            return await self._inner()
        since = time.monotonic()
        try:
            async with asyncio.timeout(self._patience(since)):
                message = await self._inner()
        except TimeoutError:
            return self._stop(RequestTimeout())
        self._waited += time.monotonic() - since
        self._size += len(message.get("body", b""))
        self._over = message["type"] != "http.request" or not message.get("more_body", False)
        if self._size > self._limit:
            return self._stop(PayloadTooLarge(f"The body is larger than the limit of {self._limit} bytes."))
        return message

    def _patience(self, now: float) -> float:
        """Return how long the next part may take."""
        s = self._settings
        left = [s.upload_idle_s, s.upload_max_s - (now - self._began)]
        if s.upload_min_bytes_s:
            left.append(s.upload_idle_s + self._size / s.upload_min_bytes_s - self._waited)
        return max(0.0, min(left))

    def _stop(self, error: InkqueueError) -> Message:
        """Refuse the rest; an answer that has begun can only be broken off."""
        self._refused = True
        if self._refuse(error):
            raise error
        return {"type": "http.disconnect"}


def has_body(headers: Headers) -> bool:
    """Tell whether a body was announced.

    Raises:
        BadRequest: its length is no number.
    """
    length = headers.get("content-length")
    if length is not None and not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length is no number.")
    return "transfer-encoding" in headers or (length is not None and int(length) > 0)
