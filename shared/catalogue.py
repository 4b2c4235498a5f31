"""The model packages that this process knows, read again when they change so that a new one needs no restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.errors import UnknownModel
from shared.logs import get_logger
from shared.packages import Fingerprint, ModelPackage, Packages, Survey, fingerprint, resolve, survey

log = get_logger(__name__)
FRESH_S = 1.0


class Catalogue:
    """Thread-safe; looks at the disk at most once a second, and reads cards only after a change."""

    def __init__(self, dirs: Sequence[Path], default: str) -> None:
        self.default = default
        self._dirs = dirs
        self._lock = threading.Lock()
        self._found = Survey({}, {})
        self._seen: Fingerprint | None = None
        self._looked_at = float("-inf")

    def packages(self) -> Packages:
        """Return all packages."""
        return self._fresh().packages

    def broken(self) -> Mapping[str, str]:
        """Return `name/version` of what lies among the packages and is none, and why."""
        return self._fresh().broken

    def _fresh(self) -> Survey:
        """Look at the folders when the last look is old; a folder that cannot be read changes nothing."""
        with self._lock:
            if time.monotonic() - self._looked_at > FRESH_S:
                try:
                    self._look()
                except OSError as error:
                    log.warning("models_not_read", reason=str(error))
                self._looked_at = time.monotonic()
            return self._found

    def _look(self) -> None:
        """Read the cards if any file has changed."""
        seen = fingerprint(self._dirs)
        if seen == self._seen:
            return
        self._found, self._seen = survey(self._dirs), seen
        for package, reason in self._found.broken.items():
            log.warning("package_ignored", package=package, reason=reason)

    def resolve(self, ref: str | None) -> ModelPackage:
        """Return the package of a reference, of the default when there is none; one added just now counts.

        Raises:
            UnknownModel: no such package.
        """
        wanted = ref or self.default
        try:
            return resolve(self.packages(), wanted)
        except UnknownModel:
            with self._lock:
                self._looked_at = float("-inf")
            return resolve(self.packages(), wanted)

    def find(self, name: str, version: str | None) -> ModelPackage | None:
        """Return a package that may be missing here, such as one that only workers have."""
        packages = self.packages()
        if version is not None:
            return packages.get((name, version))
        return next((p for p in packages.values() if p.name == name), None)
