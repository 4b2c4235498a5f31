"""The files of the pages: kept for ever under their fingerprint, asked for anew under their plain name, compressed."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache, partial
from pathlib import Path

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
TEXTS = frozenset({".css", ".js", ".json", ".svg"})
SMALL = 512
"""Bytes below which compressing gains nothing."""

_VERSIONED = re.compile(r"v-(?P<mark>[0-9a-f]{12})/(?P<path>.+)")


@cache
def fingerprint() -> str:
    """Return twelve hex digits that change whenever any file of the pages does."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(STATIC)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def asset(path: str) -> str:
    """Return the address of a file; modules that import each other relatively share its fingerprint."""
    return f"/static/v-{fingerprint()}/{path}"


class Assets(StaticFiles):
    """Serves the folder `static`; an old fingerprint gets today's file, which nobody may keep then."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)
        self._packed: dict[str, bytes] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with one file."""
        versioned = _VERSIONED.fullmatch(path)
        plain = versioned["path"] if versioned else path
        answer = await super().get_response(plain, scope)
        if answer.status_code not in (200, 206, 304):
            return answer
        kept = versioned is not None and versioned["mark"] == fingerprint()
        answer.headers["Cache-Control"] = FOREVER if kept else ASK_AGAIN
        answer.headers["Vary"] = "Accept-Encoding"
        if answer.status_code == 200 and _may_pack(plain, answer, Headers(scope=scope)):
            return await self._compressed(plain, answer, Headers(scope=scope))
        return answer

    async def _compressed(self, path: str, answer: Response, asked: Headers) -> Response:
        """Return the same file with `Content-Encoding: gzip`, made once."""
        if path not in self._packed:
            data = (STATIC / path).read_bytes()
            self._packed[path] = await anyio.to_thread.run_sync(partial(gzip.compress, data, 9, mtime=0))
        headers = {name: answer.headers[name] for name in ("cache-control", "vary", "last-modified")}
        tag = answer.headers["etag"].rstrip('"') + '-gz"'
        headers |= {"Content-Encoding": "gzip", "ETag": tag}
        if tag in asked.get("if-none-match", ""):
            return NotModifiedResponse(Headers(headers))
        return Response(self._packed[path], headers=headers, media_type=answer.media_type)


def _may_pack(path: str, answer: Response, asked: Headers) -> bool:
    """Tell whether this file gets smaller and this client takes it so; parts of a file are never packed."""
    accepted = {part.partition(";")[0].strip() for part in asked.get("accept-encoding", "").split(",")}
    large = int(answer.headers.get("content-length", "0")) >= SMALL
    return large and "gzip" in accepted and "range" not in asked and Path(path).suffix in TEXTS
