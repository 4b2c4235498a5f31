"""The model packages that a worker process serves: loaded at its start, and those that are added while it runs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.errors import InkqueueError, UnknownModel
from shared.jobs.claim import Served
from shared.logs import get_logger
from shared.packages import Fingerprint, ModelPackage, fingerprint, survey
from shared.settings import Settings
from worker.engines import Engine, EngineMissing, load_engine, most_at_once

log = get_logger(__name__)
_BATCH_S = 0.5  # a batch shall not take longer: cancel and deadlines are looked at between two batches
_LOOK_S = 1.0
_FETCH_S = 80.0
_ROOMS = str(Path(__file__).resolve().parents[1])
_INSTALL = f"import runpy, sys; sys.path.insert(0, {_ROOMS!r}); runpy.run_module('worker.install', run_name='__main__')"
"""Runs `python -m worker.install`, wherever the process stands."""
_DIGIT_S = 0.0005
_DIGIT_VALUES = 28 * 28


@dataclass(slots=True)
class Loaded:
    """A package, its engine, and how long an image takes (seconds, a running mean)."""

    package: ModelPackage
    engine: Engine
    image_s: float = _DIGIT_S

    @property
    def preparation(self) -> str:
        """Return name and version of the preparation, as stamped on jobs."""
        card = self.package.card["preparation"]
        return f"{card['name']}@{card['version']}"

    def batch_size(self, most: int) -> int:
        """Return how many images make a batch that is worth it, still short, and fits the memory."""
        return max(1, min(most_at_once(self.package, most), int(_BATCH_S / self.image_s)))

    def took(self, images: int, seconds: float) -> None:
        """Learn from one batch."""
        self.image_s += 0.2 * (seconds / max(1, images) - self.image_s)


@dataclass(frozen=True)
class _Shelf:
    """One state of what is loaded; the newest version of each name stands first."""

    loaded: Sequence[Loaded]
    served: Served
    by_ref: dict[str, Loaded] = field(default_factory=dict)
    newest: dict[str, Loaded] = field(default_factory=dict)


class Models:
    """All loaded packages; may be replaced while others read."""

    def __init__(self, loaded: Sequence[Loaded]) -> None:
        self.replace(loaded)
        self.engine_name = loaded[0].engine.name
        self.device = loaded[0].engine.device

    def replace(self, loaded: Sequence[Loaded]) -> None:
        """Serve these from now on, given with the newest version of each name first; work in hand goes on."""
        by_ref = {one.package.ref: one for one in loaded}
        newest = {one.package.name: one for one in reversed(loaded)}
        classes = {ref: one.engine.engine_class for ref, one in by_ref.items()}
        self._shelf = _Shelf(tuple(loaded), Served(tuple(newest), classes), by_ref, newest)

    @property
    def loaded(self) -> Sequence[Loaded]:
        """Return what is loaded now."""
        return self._shelf.loaded

    @property
    def served(self) -> Served:
        """Return what may be claimed now."""
        return self._shelf.served

    def find(self, name: str, version: str | None) -> Loaded:
        """Return the package that serves a job.

        Raises:
            UnknownModel: it is not loaded here.
        """
        shelf = self._shelf
        found = shelf.newest.get(name) if version is None else shelf.by_ref.get(f"{name}@{version}")
        if found is None:
            raise UnknownModel(f"The model {name}@{version} is not loaded here.")
        return found


def fetch_models(settings: Settings) -> None:
    """Have the registry's models that the settings name fetched, by a process that is gone afterwards.

    One that cannot be fetched keeps nobody from serving the others.
    """
    if not settings.registry_models:
        return
    if not settings.model_dirs:
        log.error("models_not_fetched", reason="INKQUEUE_MODELS needs a folder in INKQUEUE_MODELS_DIRS")
        return
    request = json.dumps({"command": "fetch", "into": str(settings.model_dirs[0])})
    command = [sys.executable, "-P", "-c", _INSTALL, request]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FETCH_S)
    except subprocess.TimeoutExpired:
        log.error("models_not_fetched", reason=f"the registry took longer than {_FETCH_S:.0f} seconds")
        return
    if finished.returncode:
        log.error("models_not_fetched", reason=(finished.stdout.strip() or finished.stderr.strip())[-500:])


def load_models(settings: Settings) -> Models:
    """Load and warm every package that is found; one that is broken is left out with a warning.

    Raises:
        EngineMissing: the engine that the settings ask for is not there, and so the default model cannot be served.
        UnknownModel: no package can be served.
    """
    loaded, missing = _load_all(settings, ())
    default = settings.default_model.partition("@")[0]
    if missing is not None and not any(one.package.name == default for one in loaded):
        raise missing
    if not loaded:
        raise UnknownModel("No model package is installed that can be served; the warnings above say why.")
    return Models(loaded)


def _load_all(settings: Settings, known: Sequence[Loaded]) -> tuple[list[Loaded], EngineMissing | None]:
    """Return all packages that can be served, those that are known as they are; and an engine that was not there."""
    found = survey(settings.model_dirs)
    for name, reason in found.broken.items():
        log.warning("package_ignored", package=name, reason=reason)
    by_ref, missing = {one.package.ref: one for one in known}, None
    loaded = []
    for package in found.packages.values():
        try:
            loaded.append(by_ref.get(package.ref) or _load(settings, package))
        except InkqueueError as error:
            log.warning("package_ignored", package=package.ref, reason=error.detail)
            missing = error if isinstance(error, EngineMissing) else missing
    return loaded, missing


def _load(settings: Settings, package: ModelPackage) -> Loaded:
    """Load one package; expect as much time of an image as its size makes likely, or as it just took."""
    engine = load_engine(
        package, engine=settings.engine, device=settings.device, threads=settings.worker_threads
    )
    channels, height, width = package.shape
    likely_s = _DIGIT_S * max(1.0, channels * height * width / _DIGIT_VALUES)
    return Loaded(package, engine, max(likely_s, _seconds_of_one(package, engine)))


def _seconds_of_one(package: ModelPackage, engine: Engine) -> float:
    """Measure one image, so that the first batch of a slow network is no longer than others are."""
    began = time.monotonic()
    engine.infer(np.zeros((1, *package.shape), np.float32))
    return time.monotonic() - began


class ModelWatch:
    """A thread that loads packages that are added, and lets go those that are removed.

    `seen` is the folders' fingerprint from before the models were loaded.
    """

    def __init__(self, settings: Settings, models: Models, seen: Fingerprint) -> None:
        self._settings, self._models, self._seen = settings, models, seen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> bool:
        """Load and let go what has changed since the last look; tell whether anything has.

        What is loaded stays as it is while its directory is there: a version never changes.
        """
        now = fingerprint(self._settings.model_dirs)
        if now == self._seen:
            return False
        self._seen = now
        loaded, _ = _load_all(self._settings, self._models.loaded)
        if loaded:
            self._models.replace(loaded)
        log.info("models_changed", models=list(self._models.served.references))
        return True

    def _run(self) -> None:
        """Look once a second until closed."""
        while not self._stop.wait(_LOOK_S):
            try:
                self.look()
            except Exception:  # whatever lies in the folder, the worker serves on what it has
                log.exception("models_not_read")
