"""Tell a container's runtime whether its process does its work: `python -m shared.health api|worker|steward`.

A worker that answers pings may still have stopped consuming, so workers and stewards are judged by the sign
of life that they leave in the database after their models are loaded, and only by those of this host.
"""

from __future__ import annotations

import http.client
import socket
import sys

import psycopg

from shared.settings import Settings, get_settings

ANSWER_S = 4.0
_BEATS = """
SELECT count(*) FROM workers
WHERE host = %s AND role = %s AND heartbeat_at > clock_timestamp() - %s * interval '1 second'
"""


def api_lives(settings: Settings) -> bool:
    """Ask the API of this host for `/healthz`."""
    wildcard = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where an API that listens everywhere is asked
    connection = http.client.HTTPConnection(
        wildcard.get(settings.host, settings.host), settings.port, timeout=ANSWER_S
    )
    try:
        connection.request("GET", "/healthz", headers={"Host": f"localhost:{settings.port}"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def beats(settings: Settings, role: str) -> bool:
    """Look for a fresh sign of life of a worker or steward of this host."""
    try:
        with psycopg.connect(settings.database_url, connect_timeout=int(ANSWER_S)) as connection:
            asked = (socket.gethostname(), role, settings.worker_gone_s)
            found = connection.execute(_BEATS, asked).fetchone()
    except psycopg.Error:
        return False
    return found is not None and found[0] > 0


def main() -> None:
    """Exit with 0 when the role of this container is healthy, else with 1."""
    roles = ("api", "worker", "steward")
    if len(sys.argv) != 2 or sys.argv[1] not in roles:
        raise SystemExit(f"usage: python -m shared.health {'|'.join(roles)}")
    settings, role = get_settings(), sys.argv[1]
    healthy = api_lives(settings) if role == "api" else beats(settings, role)
    sys.stdout.write("healthy\n" if healthy else f"no sign of life of the {role}\n")
    sys.exit(0 if healthy else 1)


if __name__ == "__main__":
    main()
