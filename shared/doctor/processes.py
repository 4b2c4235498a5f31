"""Checks of the service's own processes: workers and their models, stewards and their duties, the API, keys."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from ipaddress import ip_address

from shared.doctor.finding import Trouble, opened
from shared.jobs.observe import Process, lines, processes
from shared.jobs.workers import WorkerView, live_workers, serves
from shared.keys.store import any_key
from shared.settings import Settings
from shared.status import Lane

ANSWER_S = 5.0
SILENT_S = 30.0
WAITING_S = 120.0
DUTY = 'inkqueue_duty_age_seconds{duty="expire_leases"}'


def check_workers(settings: Settings) -> str:
    """See that each lane has a worker that beats, that all serve the same models, and the default one."""
    with opened(settings) as db:
        alive = [one for one in live_workers(db, gone_s=settings.worker_gone_s) if one.role == "worker"]
    for lane in Lane:
        if not any(str(lane) in (one.lane or "") for one in alive):
            raise Trouble(
                f"No worker serves the lane {lane}.",
                f"Start one: `celery -A worker.app worker -P prefork -c 1 -Q {lane}`.",
            )
    _check_models(settings, [one for one in alive if one.models])
    return f"{len(alive)} workers, both lanes served"


def _check_models(settings: Settings, loaded: list[WorkerView]) -> None:
    """Compare what the workers have loaded.

    Raises:
        Trouble: the default model is missing, or they differ.
    """
    if loaded and not any(serves(one, settings.default_model) for one in loaded):
        raise Trouble(
            f"No worker has the model {settings.default_model} loaded.",
            "Give the workers the same INKQUEUE_MODELS_DIRS and INKQUEUE_DEFAULT_MODEL, and restart them.",
        )
    kinds = {tuple(sorted(one.models)) for one in loaded}
    if len(kinds) > 1:
        told = "; ".join(f"{one.host}:{one.pid} {', '.join(one.models)}" for one in loaded)
        raise Trouble(
            f"Workers serve different models: {told}.",
            "Restart those of the older release, and give all the same model folders.",
        )


def check_steward(settings: Settings) -> str:
    """See that a steward beats and looks for lost leases."""
    with opened(settings) as db:
        stewards = [one for one in processes(db) if one.role == "steward"]
    alive = [one for one in stewards if one.age_s < settings.worker_gone_s]
    if not alive:
        raise Trouble("No steward runs: lost work is not found.", "Start one: `python -m worker.steward`.")
    age = min(map(_duty_age_s, alive))
    if age > SILENT_S:
        raise Trouble(
            f"Stewards are alive and have not looked for lost work for {age:.0f} s.",
            "Look for `duty_failed` and `duty_broken` in their logs, and restart them.",
        )
    return f"{len(alive)} alive"


def _duty_age_s(steward: Process) -> float:
    """Return how long ago a steward looked for lost leases; one that just began counts as of now."""
    return steward.age_s + float(steward.gauges.get(DUTY, 0.0))


def check_backlog(settings: Settings) -> str:
    """See that nothing waits for long that a worker could take."""
    with opened(settings) as db:
        waiting = [line for line in lines(db) if line.state == "pending"]
    for line in waiting:
        if line.lane == Lane.INTERACTIVE and line.oldest_s > WAITING_S:
            raise Trouble(
                f"{line.chunks} single images wait, the oldest for {line.oldest_s:.0f} s.",
                "Start another worker with `-Q interactive`; if none takes them, compare their models with "
                "`inkqueue workers`.",
            )
    return f"{sum(line.items for line in waiting)} images wait"


def check_keys(settings: Settings) -> str:
    """See that a service that others reach has keys."""
    with opened(settings) as db:
        has_keys = any_key(db)
    open_to = settings.published_on or settings.host
    if has_keys or settings.bootstrap_key.get_secret_value():
        return "keys are needed"
    if settings.allow_open:
        return "open on purpose (INKQUEUE_ALLOW_OPEN)"
    if not _is_loopback(open_to.rpartition(":")[0] if settings.published_on else open_to):
        raise Trouble(
            f"There are no API keys, and others reach {open_to}: the API does not start like this.",
            "Make one: `inkqueue keys create --name admin --scopes admin`.",
        )
    return "none; open for this machine alone"


def _is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_api(settings: Settings) -> str:
    """Ask the API whether it lives, and for its page."""
    host = settings.host if settings.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104  # compared only
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz", timeout=ANSWER_S) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        raise Trouble(
            f"Something else answers at {url}/healthz (status {error.code}).",
            "Set INKQUEUE_PORT to a free port and start the API there.",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(
            f"Nothing answers at {url}/healthz.",
            "Start the API (`inkqueue up` or `python -m api`), or set INKQUEUE_PORT.",
        ) from error
    try:
        opener.addheaders = [("Accept", "text/html")]
        with opener.open(f"{url}/", timeout=ANSWER_S) as answer:
            answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(
            f"The API lives and its page at {url}/ does not come: {error}",
            "Look for `request_crashed` in its log; install the server again if files are missing.",
        ) from error
    return url
