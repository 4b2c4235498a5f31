"""Checks of Redis, of the storage and of the model packages."""

from __future__ import annotations

from functools import partial
from typing import Any

import redis

from shared import lanes
from shared.blobs import open_blobs
from shared.doctor.finding import Trouble, hidden, opened
from shared.errors import InkqueueError, UnknownModel
from shared.jobs.arrivals import stored_keys
from shared.packages import find_packages, resolve, verify
from shared.room import storage_folder, storage_room
from shared.settings import Settings

LEAST_FREE_BYTES = 1 << 30
OLDEST_REDIS = (6, 2)
MOST_MEMORY = 0.9


def check_broker(settings: Settings) -> str:
    """Reach Redis, new enough, that takes tickets, has memory for them and evicts none."""
    client = lanes.connect(settings)
    try:
        info: dict[str, Any] = client.info()
        _check_redis(info)
        client.set("inkqueue:doctor", "1", ex=5)
    except redis.ResponseError as error:
        raise Trouble(
            f"Redis takes no writes: {error}", "See its log: a full disk, `maxmemory`, or it is a replica."
        ) from error
    except redis.RedisError as error:
        raise Trouble(
            f"Redis cannot be reached at {hidden(settings.redis_url)}.",
            "Start it (`inkqueue up` brings its own) or set INKQUEUE_REDIS_URL.",
        ) from error
    finally:
        client.close()
    kept = "append-only file" if info.get("aof_enabled") else "snapshots or nothing"
    return f"Redis {info.get('redis_version', '?')}, noeviction, persistence: {kept} (none is needed)"


def _check_redis(info: dict[str, Any]) -> None:
    """Judge what Redis says of itself.

    Raises:
        Trouble: it is too old, may evict, or is nearly full.
    """
    version = tuple(int(part) for part in str(info.get("redis_version", "99")).split(".")[:2])
    if version < OLDEST_REDIS:
        raise Trouble(f"Redis is version {info['redis_version']}.", "Use Redis 6.2 or newer, or Valkey.")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise Trouble(
            f"Redis may throw tickets away (maxmemory-policy {policy}).",
            "Set `maxmemory-policy noeviction` in redis.conf.",
        )
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if most and used > MOST_MEMORY * most:
        raise Trouble(
            f"Redis uses {used >> 20} of {most >> 20} MiB.",
            "Raise `maxmemory`, or see who else writes there (`redis-cli --bigkeys`): tickets need a few MiB.",
        )


def check_storage(settings: Settings) -> str:
    """Write a file, flush it, rename it, read it back and remove it, in the object storage; make no folder for it."""
    folder, where = storage_folder(settings), hidden(settings.storage_url)
    if folder is not None and not folder.is_dir():
        raise Trouble(
            f"Object storage {where} does not take a file: there is no such folder.",
            "Mount its disk, make it if it is to be new (`mkdir -p`), or set INKQUEUE_STORAGE_URL.",
        )
    with opened(settings) as db:
        try:
            open_blobs(settings, partial(stored_keys, db)).probe()
        except InkqueueError as error:
            raise Trouble(
                f"Object storage {where} does not take a file: {error.detail}",
                "Mount its disk, give the service's user the right to write there, free some room, or set "
                "INKQUEUE_STORAGE_URL.",
            ) from error
    return where


def check_disk(settings: Settings) -> str:
    """See that a local storage folder has room."""
    room = storage_room(settings)
    if room is None:
        return "not a local folder"
    if room.free < LEAST_FREE_BYTES:
        raise Trouble(
            f"Only {room.free / (1 << 20):.0f} MiB are free at {room.folder}.",
            "Delete old jobs (`inkqueue delete`) or move INKQUEUE_STORAGE_URL to a larger disk.",
        )
    return f"{room.free / (1 << 30):.0f} GiB free"


def check_models(settings: Settings) -> str:
    """Compare every model package with its checksums."""
    packages = find_packages(settings.model_dirs)
    try:
        resolve(packages, settings.default_model)
        for package in packages.values():
            verify(package)
    except UnknownModel as error:
        raise Trouble(
            f"The default model is missing. {error.detail}",
            "Set INKQUEUE_DEFAULT_MODEL or INKQUEUE_MODELS_DIRS.",
        ) from error
    except InkqueueError as error:
        raise Trouble(error.detail, "Copy the package again from where it came.") from error
    return ", ".join(package.ref for package in packages.values())
