"""Render what needs decoding: a page as it was uploaded, or exactly what the model saw; kept for a day."""

from __future__ import annotations

from uuid import UUID

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.blobs import Blobs
from shared.db import Database
from shared.errors import InkqueueError
from shared.jobs.arrivals import reserve_object
from shared.jobs.claim import job_specs
from shared.jobs.crash import has_crashed
from shared.jobs.stop import manifest_source
from shared.lanes import view_key
from shared.logs import get_logger
from shared.manifest import read_slice
from shared.members import read_members
from shared.settings import Settings
from shared.vision import decode, prepare
from worker.models import Models
from worker.sources import job_sources

log = get_logger(__name__)
KEPT_S = 86400.0


def render(
    db: Database, blobs: Blobs, settings: Settings, models: Models, job_id: UUID, seq: int, view: str
) -> None:
    """Put the picture of one item into the storage; what cannot be rendered is logged, and nobody waits for long."""
    try:
        picture = _picture(db, blobs, settings, models, job_id, seq, view)
        if picture is None:
            return
        key = view_key(job_id, seq, view)
        reserve_object(db, key, KEPT_S)
        blobs.put(key, cv2.imencode(".png", picture)[1].tobytes())
    except InkqueueError as error:
        log.warning("render_failed", job=job_id.hex, seq=seq, view=view, reason=error.detail)


def _picture(
    db: Database, blobs: Blobs, settings: Settings, models: Models, job_id: UUID, seq: int, view: str
) -> NDArray[np.uint8] | None:
    """Return the pixels, grey or blue-green-red as OpenCV writes them; None when there is nothing to render."""
    spec = job_specs(db, [job_id]).get(job_id)
    if spec is None or not 0 <= seq < spec.total or has_crashed(db, job_id, seq):
        return None
    source = manifest_source(blobs, spec.manifest_inline, spec.manifest_key)
    part = read_slice(source, seq, seq + 1)
    for _, data in read_members(job_sources(blobs, spec), part, settings):
        if not isinstance(data, bytes):
            return None
        image = decode(data, page=int(part.records[0]["page"]), max_pixels=settings.max_image_pixels)
        pixels = image.pixels
        if view == "model":
            package = models.find(spec.model_name, spec.model_version).package
            pixels = prepare(pixels, **package.card["preparation"], shape=package.shape).image
        return _as_opencv(pixels)
    return None


def _as_opencv(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn red-green-blue(-alpha) into the order that OpenCV writes."""
    if pixels.ndim == 2:
        return pixels
    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)
