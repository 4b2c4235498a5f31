"""Read `multipart/form-data` as it arrives: files go straight to the stash, fields into memory."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.stash import Sink, Stash
from shared.errors import BadRequest, InvalidRequest, TooManyItems

FILE_PARTS = ("files", "file")
MAX_FIELDS = 100
MAX_FIELDS_BYTES = 256 * 1024
"""Names and values together; all of them are kept in memory."""


class MultipartReader:
    """Feed it blocks of the body in a thread; afterwards the files are in the stash and `fields` holds the rest.

    Args:
        content_type: the header with the boundary in it.
        most_files: more parts than this are refused.

    Raises:
        BadRequest: the body is no well-formed multipart body.
        InvalidRequest: a part is not what its name says, or there are too many or too long fields.
    """

    def __init__(self, content_type: str, stash: Stash, most_files: int) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary or len(boundary) > 70:
            raise BadRequest("The multipart body has no valid boundary in its Content-Type.")
        self.fields: list[tuple[str, str]] = []
        self._stash = stash
        self._most = most_files
        self._field_bytes = 0
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._headers: dict[str, bytes] = {}
        self._name = ""
        self._sink: Sink | None = None
        self._value = bytearray()
        self._ended = False
        self._unnamed = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, a, b: self._header[0].extend(data[a:b]),
                "on_header_value": lambda data, a, b: self._header[1].extend(data[a:b]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise BadRequest("The multipart body is not well-formed.") from error

    def close(self) -> None:
        """Check that the body was complete."""
        if not self._ended:
            raise BadRequest("The multipart body ends before its closing boundary.")

    def _begin(self) -> None:
        self._headers = {}
        self._value = bytearray()
        self._sink = None

    def _header_end(self) -> None:
        self._headers[self._header[0].decode("latin-1").lower()] = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise BadRequest("A part of the multipart body has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        if b"filename" not in options:
            if self._name in FILE_PARTS:
                raise InvalidRequest(
                    errors=[{"loc": f"body.{self._name}", "msg": "is to be a file part, with a filename"}]
                )
            if len(self.fields) >= MAX_FIELDS:
                raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields.")
            self._count(len(options[b"name"]))
            return
        if self._name not in FILE_PARTS:
            raise InvalidRequest(
                errors=[
                    {"loc": f"body.{self._name[:100]}", "msg": "takes no file; the parts are named `files`"}
                ]
            )
        if len(self._stash.files) >= self._most:
            raise TooManyItems()
        filename = options[b"filename"].decode("utf-8", "replace").replace("%22", '"')  # as browsers write it
        content_type = self._headers.get("content-type", b"").decode("latin-1").strip()
        self._unnamed = not filename
        self._sink = self._stash.open(filename or "file", content_type or None)

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        if self._sink is not None:
            self._sink.write(part)
            return
        self._count(len(part))
        self._value += part

    def _count(self, size: int) -> None:
        self._field_bytes += size
        if self._field_bytes > MAX_FIELDS_BYTES:
            raise InvalidRequest("The form fields are too long.")

    def _end(self) -> None:
        if self._sink is None:
            try:
                self.fields.append((self._name, self._value.decode()))
            except UnicodeDecodeError as error:
                raise InvalidRequest(errors=[{"loc": f"body.{self._name}", "msg": "is not UTF-8"}]) from error
        elif not (self._unnamed and self._sink.size == 0):  # browsers send this for "no file chosen"
            self._sink.close()
        self._sink = None

    def _finish(self) -> None:
        self._ended = True
