"""Run the HTTP service: `python -m api`."""

from __future__ import annotations

import contextlib
import sys

from api.main import create_app
from api.origins import reach_of_others
from api.server import Server, allow_files, given_sockets, server_config
from shared.db import Database
from shared.errors import Unavailable
from shared.keys.bootstrap import BootstrapRefused, checked_bootstrap
from shared.keys.store import any_key
from shared.logs import configure_logs
from shared.settings import Settings, get_settings

GRACE_S = 10
NO_KEYS = """The service has no API keys and would be open to everybody who reaches {where}. Either
  make a key:         inkqueue keys create --name admin --scopes admin
  or give the first:  export INKQUEUE_BOOTSTRAP_KEY=$(inkqueue keys generate)
  or stay at home:    {stay}
  or, where something else keeps strangers out:  export INKQUEUE_ALLOW_OPEN=true"""


def main() -> int:
    """Serve until a signal comes."""
    settings = get_settings()
    configure_logs(settings.log_level, settings.log_format)
    try:
        refused = refusal(settings)
    except Unavailable as error:
        print(f"Whether there are API keys cannot be found out: {error.detail}", file=sys.stderr)
        return 1
    if refused:
        print(refused, file=sys.stderr)
        return 2
    app = create_app(settings)
    allow_files(settings)
    config = server_config(app, settings, GRACE_S)
    with contextlib.suppress(KeyboardInterrupt):
        Server(config, app).run(given_sockets(settings))
    return 0


def refusal(settings: Settings) -> str | None:
    """Return why the service may not start like this, None when it may.

    Raises:
        Unavailable: the database cannot say whether there are keys; another try may find it.
    """
    first = settings.bootstrap_key.get_secret_value()
    try:
        if first:
            checked_bootstrap(first)
    except BootstrapRefused as error:
        return error.detail
    return None if first else refuse_open(settings)


def refuse_open(settings: Settings) -> str | None:
    """Return why the service may not start without a first key, None when it may: others than this machine reach it.

    Raises:
        Unavailable: the database cannot say.
    """
    others = reach_of_others(settings)
    if settings.allow_open or others is None:
        return None
    db = Database(settings.sqlalchemy_url, "tool", 1)
    try:
        return None if any_key(db) else NO_KEYS.format(**others._asdict())
    finally:
        db.close()


if __name__ == "__main__":
    sys.exit(main())
