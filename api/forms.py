"""Small forms of the pages, such as the sign-in: a few fields, no files."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import Request

from shared.errors import BadRequest, PayloadTooLarge

MOST_BYTES = 4096


async def form_fields(request: Request) -> dict[str, str]:
    """Read a small form.

    Raises:
        BadRequest: it is no form, or has a field twice.
        PayloadTooLarge: it is not small.
    """
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > MOST_BYTES:
            raise PayloadTooLarge("This form is larger than it can be.")
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise BadRequest("This address takes a form.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError as error:
        raise BadRequest("The form cannot be read.") from error
    if len(dict(pairs)) != len(pairs):
        raise BadRequest("A field of the form came twice.")
    return dict(pairs)
