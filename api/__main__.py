"""Run the HTTP service: `python -m api`."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.main import create_app
from api.protocol import Protocol
from shared.logs import configure_logs
from shared.settings import Settings, get_settings

GRACE_S = 10
KEEP_ALIVE_S = 30
BACKLOG = 2048


def main() -> int:
    """Serve until a signal comes."""
    settings = get_settings()
    configure_logs(settings.log_level, settings.log_format)
    refusal = refuse_open(settings)
    if refusal:
        print(refusal, file=sys.stderr)
        return 2
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",
        http=Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    with contextlib.suppress(KeyboardInterrupt):
        Server(config, app).run()
    return 0


class Server(uvicorn.Server):
    """uvicorn's own, but that long polls and event streams do not hold up its end."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, and let go of those who wait."""
        super().handle_exit(sig, frame)
        services = getattr(self._app.state, "services", None)
        if services is not None:
            services.waiters.let_go()


def refuse_open(settings: Settings) -> str | None:
    """Return why this address may not be listened on, None when it may."""
    if settings.allow_open or is_loopback(settings.host):
        return None
    return (
        f"The service has no API keys and would be open to everybody who reaches {settings.host}. Listen on 127.0.0.1,"
        " or set INKQUEUE_ALLOW_OPEN=true where something else keeps strangers out."
    )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
