"""The driver's side of the broken links."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

SEVERITY = ("open", "slow", "silent", "closed")


class Links:
    """The broken links, counted, so that overlapping faults do not repair each other's."""

    def __init__(self, run: Path) -> None:
        """Use the proxy whose files lie here."""
        self._socket = run / "proxy.sock"
        self.names: list[str] = list(json.loads((run / "links.json").read_text()))
        self._held: dict[str, Counter[str]] = {name: Counter() for name in self.names}

    def of(self, server: str) -> list[str]:
        """Return the links to one server."""
        return [name for name in self.names if name.endswith(f"/{server}")]

    async def cut(self, names: list[str]) -> None:
        """Reset what is connected; the links stay as they are otherwise."""
        await self._order([(name, "cut") for name in names if self._mode(name) == "open"])

    async def hold(self, names: list[str], mode: str, for_s: float, delay_s: float = 0.0) -> None:
        """Keep links in a state for a time."""
        for name in names:
            self._held[name][mode] += 1
        await self._order([(name, self._mode(name)) for name in names], delay_s)
        try:
            await asyncio.sleep(for_s)
        finally:
            for name in names:
                self._held[name][mode] -= 1
            await self._order([(name, self._mode(name)) for name in names])

    def _mode(self, name: str) -> str:
        return next((mode for mode in reversed(SEVERITY) if self._held[name][mode] > 0), "open")

    async def _order(self, orders: list[tuple[str, str]], delay_s: float = 0.05) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        for link, mode in orders:
            writer.write(json.dumps({"link": link, "mode": mode, "delay_s": delay_s}).encode() + b"\n")
            await writer.drain()
            await reader.readline()
        writer.close()
