"""The model packages that a worker process serves, loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import UnknownModel
from shared.logs import get_logger
from shared.packages import ModelPackage, find_packages
from shared.settings import Settings
from worker.engines import Engine, load_engine

log = get_logger(__name__)
_BATCH_S = 0.5  # a batch shall not take longer: cancel and deadlines are looked at between two batches


@dataclass(slots=True)
class Loaded:
    """A package, its engine, and how long an image takes (seconds, a running mean)."""

    package: ModelPackage
    engine: Engine
    image_s: float = 0.0005

    @property
    def preparation(self) -> str:
        """Return name and version of the preparation, as stamped on jobs."""
        card = self.package.card["preparation"]
        return f"{card['name']}@{card['version']}"

    def batch_size(self, most: int) -> int:
        """Return how many images make a batch that is worth it and still short."""
        return max(1, min(most, int(_BATCH_S / self.image_s)))

    def took(self, images: int, seconds: float) -> None:
        """Learn from one batch."""
        self.image_s += 0.2 * (seconds / max(1, images) - self.image_s)


class Models:
    """All loaded packages; of each name the newest version first."""

    def __init__(self, loaded: Sequence[Loaded]) -> None:
        self._by_ref = {one.package.ref: one for one in loaded}
        self._newest: dict[str, Loaded] = {}
        for one in loaded:
            self._newest.setdefault(one.package.name, one)
        self.names = tuple(self._newest)
        self.references = tuple(self._by_ref)
        self.engine_class = loaded[0].engine.engine_class
        self.engine_name = loaded[0].engine.name
        self.device = loaded[0].engine.device

    def find(self, name: str, version: str | None) -> Loaded:
        """Return the package that serves a job.

        Raises:
            UnknownModel: it is not loaded here.
        """
        found = self._newest.get(name) if version is None else self._by_ref.get(f"{name}@{version}")
        if found is None:
            raise UnknownModel(f"The model {name}@{version} is not loaded here.")
        return found


def load_models(settings: Settings) -> Models:
    """Load and warm every package that is found.

    Raises:
        ModelCorrupt: a package differs from its checksums.
        UnknownModel: there is none at all.
    """
    packages = find_packages(settings.model_dirs)
    loaded = [
        Loaded(
            package,
            load_engine(
                package, engine=settings.engine, device=settings.device, threads=settings.worker_threads
            ),
        )
        for package in packages.values()
    ]
    if not loaded:
        raise UnknownModel("No model package is installed.")
    return Models(loaded)
