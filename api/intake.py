"""Take a body in: raw, multipart or JSON, in constant memory, while the event loop stays free.

The event loop only collects blocks of up to a mebibyte; hashing, parsing, writing and the database run in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import unquote

import anyio
import anyio.to_thread
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from api.json_body import read_json
from api.multipart import MultipartReader
from api.options import Options, from_json, from_pairs
from api.stash import Stash
from shared.errors import EmptySubmission, PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from shared.settings import Settings
from shared.sniff import CONTENT_TYPES, Kind

BLOCK = 1024 * 1024
BLOCK_S = 1.0
"""A slow upload hands over what it has this often, so that its rows are touched."""
CSRF_FIELD = "csrf"
OWN_QUERY = frozenset({"dry_run"})
RAW_TYPES = frozenset(CONTENT_TYPES) | {"application/octet-stream", "application/x-zip-compressed"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """A body that is all here: its files are in the stash."""

    options: Options
    csrf: str | None = None


class Intake:
    """Reads the bodies of submissions.

    Args:
        threads: uploads that may write at once; they have threads of their own, so that reading stays quick.
    """

    def __init__(self, settings: Settings, threads: int = 16) -> None:
        self._settings = settings
        self._limiter = anyio.CapacityLimiter(threads)

    async def take(self, request: Request, stash: Stash, *, form: bool = False) -> Taken:
        """Read the whole body into the stash; the caller abandons the stash when this fails.

        Args:
            form: a page's form, which has the field `csrf` beside the options.

        Raises:
            UnsupportedMediaType: no content type that can be submitted.
            PayloadTooLarge: more bytes than the limit, by `Content-Length` or by count.
            RequestTimeout: no byte came for the idle time.
            ClientDisconnect: the body was cut off.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType(
                "A body with a Content-Encoding cannot be submitted; send it as it is."
            )
        header = request.headers.get("content-type", "")
        kind = header.split(";")[0].strip().lower()
        query = [pair for pair in request.query_params.multi_items() if pair[0] not in OWN_QUERY]
        if kind == "multipart/form-data":
            return await self._multipart(request, stash, header, query, form)
        if kind == "application/json":
            return await self._json(request, stash, query)
        if kind in RAW_TYPES:
            return await self._raw(request, stash, kind, query)
        if not kind and request.headers.get("content-length", "0") == "0":
            raise EmptySubmission()
        known = ", ".join(sorted({"multipart/form-data", "application/json", *RAW_TYPES}))
        raise UnsupportedMediaType(f"A body of this Content-Type cannot be submitted. Known are: {known}.")

    async def _multipart(
        self, request: Request, stash: Stash, header: str, query: list[tuple[str, str]], form: bool
    ) -> Taken:
        from_pairs(query, "query")
        reader = MultipartReader(header, stash, self._settings.max_zip_members)
        async for block in self._blocks(request, self._settings.max_upload_bytes):
            await self.in_thread(partial(_feed, reader.feed, stash, block))
        reader.close()
        await self.in_thread(stash.finish)
        tokens = [value for name, value in reader.fields if form and name == CSRF_FIELD]
        fields = [field for field in reader.fields if not (form and field[0] == CSRF_FIELD)]
        csrf = tokens[0] if len(tokens) == 1 else None
        named = {name for name, _ in fields}
        return Taken(from_pairs([*(pair for pair in query if pair[0] not in named), *fields], "body"), csrf)

    async def _json(self, request: Request, stash: Stash, query: list[tuple[str, str]]) -> Taken:
        said = from_pairs(query, "query").model_dump(exclude_unset=True)
        body = b"".join([b async for b in self._blocks(request, self._settings.max_json_bytes)])
        given = await self.in_thread(partial(read_json, body, stash, self._settings.max_zip_members))
        await self.in_thread(stash.finish)
        return Taken(from_json(said | given))

    async def _raw(self, request: Request, stash: Stash, kind: str, query: list[tuple[str, str]]) -> Taken:
        options = from_pairs(query, "query")
        sink = stash.open(_raw_name(request, kind), kind)
        async for block in self._blocks(request, self._settings.max_upload_bytes):
            if sink.keeps(block):
                sink.write(block)
            else:
                await self.in_thread(partial(_feed, sink.write, stash, block))
        if sink.size == 0:
            raise EmptySubmission("The body is empty.")
        if sink.keeps():
            sink.close()
        else:
            await self.in_thread(sink.close)
        return Taken(options)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run a step of an upload in one of its threads; a step that has begun is always finished."""
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    async def _blocks(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """Yield the body in blocks; hold at most one."""
        if int(request.headers.get("content-length") or 0) > limit:
            raise PayloadTooLarge(f"The body is larger than the limit of {limit} bytes.")
        parts: list[bytes] = []
        size, total, since = 0, 0, time.monotonic()
        stream = request.stream().__aiter__()
        while True:
            try:
                async with asyncio.timeout(self._settings.upload_idle_s):
                    part = await anext(stream, None)
            except TimeoutError:
                raise RequestTimeout() from None
            if part is None:
                break
            parts.append(part)
            size += len(part)
            total += len(part)
            if total > limit:
                raise PayloadTooLarge(f"The body is larger than the limit of {limit} bytes.")
            if size >= BLOCK or time.monotonic() - since > BLOCK_S:
                yield b"".join(parts)
                parts, size, since = [], 0, time.monotonic()
        if size:
            yield b"".join(parts)


def _feed(take: Callable[[bytes], None], stash: Stash, block: bytes) -> None:
    """Hand one block over and keep the upload's rows alive."""
    take(block)
    stash.touch()


def _raw_name(request: Request, kind: str) -> str:
    """Name a raw body: as its Content-Disposition says, else by its type."""
    _, options = parse_options_header(request.headers.get("content-disposition", "").encode("latin-1"))
    given = options.get(b"filename", b"").decode("utf-8", "replace")
    if given:
        return unquote(given)
    known = CONTENT_TYPES.get(kind, Kind.ZIP if "zip" in kind else Kind.UNKNOWN)
    return "upload" if known is Kind.UNKNOWN else f"upload.{known}"


__all__ = ["ClientDisconnect", "Intake", "Taken"]
