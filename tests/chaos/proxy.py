"""Links that can be broken: `python -m tests.chaos.proxy FOLDER NAME=ADDRESS …`, a port on loopback for each name.

What it is told comes as JSON lines by the socket `proxy.sock` of the folder; where it listens stands in `links.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

READ_BYTES = 256 * 1024


class Link:
    """One way to a server: open, slow, silent (bytes wait, as in a partition), or closed (connections are reset)."""

    def __init__(self, address: str) -> None:
        """Lead to `host:port`, or to a Unix socket by its path."""
        self.address = address
        self.delay_s = 0.0
        self.closed = False
        self.audible = asyncio.Event()
        self.audible.set()
        self.ends: set[asyncio.StreamWriter] = set()

    def become(self, mode: str, delay_s: float = 0.0) -> None:
        """Change the state: `open`, `slow`, `silent`, `closed`, or `cut` for a reset of what is connected now."""
        self.closed = mode == "closed"
        self.delay_s = delay_s if mode == "slow" else 0.0
        if mode in {"closed", "cut"}:
            for end in list(self.ends):
                end.transport.abort()
        if mode == "silent":
            self.audible.clear()
        else:
            self.audible.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.closed:
            writer.transport.abort()
            return
        await self.audible.wait()
        try:
            there, back = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self.ends |= {writer, back}
        try:
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        finally:
            self.ends -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.address.startswith("/"):
            return await asyncio.open_unix_connection(self.address, limit=READ_BYTES)
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port), limit=READ_BYTES)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if not self.audible.is_set():
                    await self.audible.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


async def run(folder: Path, addresses: dict[str, str]) -> None:
    """Open all links and obey until killed."""
    links = {name: Link(address) for name, address in addresses.items()}
    ports = {}
    for name, link in links.items():
        server = await asyncio.start_server(link.serve, "127.0.0.1", 0, backlog=512, limit=READ_BYTES)
        ports[name] = server.sockets[0].getsockname()[1]

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            order = json.loads(line)
            links[order["link"]].become(order["mode"], order.get("delay_s", 0.0))
            writer.write(b"done\n")
        writer.close()

    socket = folder / "proxy.sock"
    socket.unlink(missing_ok=True)
    control = await asyncio.start_unix_server(obey, str(socket))
    unfinished = folder / "links.json.new"
    unfinished.write_text(json.dumps(ports))
    unfinished.rename(folder / "links.json")
    await control.serve_forever()


def main() -> None:
    """Read the command line and run."""
    folder, *links = sys.argv[1:]
    asyncio.run(run(Path(folder), dict(link.split("=", 1) for link in links)))


if __name__ == "__main__":
    main()
