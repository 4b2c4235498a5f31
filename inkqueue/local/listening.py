"""The sockets that the API listens on, held here so that they outlive it."""

from __future__ import annotations

import errno
import socket

from inkqueue.local.errors import LocalStackError

BACKLOG = 2048


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host.

    Raises:
        LocalStackError: the port is taken, or the host is not ours.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise LocalStackError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    made: list[socket.socket] = []
    refused: OSError | None = None
    for family, address in dict.fromkeys((place[0], place[4]) for place in found):
        try:
            made.append(_listening(family, address))
        except OSError as error:
            refused = error
            if error.errno == errno.EADDRINUSE:
                break
    if made and (refused is None or refused.errno != errno.EADDRINUSE):  # a machine without IPv6 is fine
        return made
    for one in made:
        one.close()
    raise _refusal(host, port, refused)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    """Listen on one address."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _refusal(host: str, port: int, error: OSError | None) -> LocalStackError:
    """Say why nobody can listen there, and what to do."""
    if error is not None and error.errno == errno.EADDRINUSE:
        return LocalStackError(
            f"Port {port} is taken by another program. "
            f"Choose another: inkqueue up --port {port + 1} (or make run PORT={port + 1})."
        )
    return LocalStackError(f"Cannot listen on {host}:{port}: {error.strerror if error else 'no address'}.")
