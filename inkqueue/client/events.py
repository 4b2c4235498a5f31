"""Reading Server-Sent Events (WHATWG HTML, section 9.2.6) from bytes in pieces of any size."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its kind, its data and the last id that the stream gave."""

    kind: str
    data: str
    id: str | None


@dataclass(slots=True)
class EventParser:
    """Collects bytes and gives events as they become complete."""

    last_id: str | None = None
    _rest: bytes = b""
    _kind: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next bytes and return the events that they complete."""
        *lines, self._rest = _LINE_END.split(self._rest + piece)
        return [event for line in lines if (event := self._line(line.decode("utf-8", "replace"))) is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self.last_id = value
        return None

    def _dispatch(self) -> Event | None:
        kind, data = self._kind or "message", "\n".join(self._data)
        had_data = bool(self._data)
        self._kind, self._data = "", []
        return Event(kind, data, self.last_id) if had_data else None
