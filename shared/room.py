"""How much room a local storage folder has."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Room:
    """The disk that a folder lies on, in bytes."""

    folder: Path
    free: int
    size: int


def storage_folder(settings: Settings) -> Path | None:
    """Return the storage folder, there or not; None for S3."""
    address = urlsplit(settings.storage_url)
    return Path(unquote(address.path)) if address.scheme == "file" else None


def storage_room(settings: Settings) -> Room | None:
    """Measure the disk of the storage folder, or of the nearest folder above it that exists; None for S3.

    Raises:
        OSError: the disk does not answer.
    """
    folder = storage_folder(settings)
    if folder is None:
        return None
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return Room(folder, usage.free, usage.total)
