"""The model packages that this process knows, read again from time to time so that a new one needs no restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from shared.packages import ModelPackage, Packages, find_packages, resolve

FRESH_S = 10.0


class Catalogue:
    """Thread-safe; looks at the disk at most every ten seconds."""

    def __init__(self, dirs: Sequence[Path], default: str) -> None:
        self.default = default
        self._dirs = dirs
        self._lock = threading.Lock()
        self._packages: Packages = {}
        self._read_at = float("-inf")

    def packages(self) -> Packages:
        """Return all packages."""
        with self._lock:
            if time.monotonic() - self._read_at > FRESH_S:
                self._packages = find_packages(self._dirs)
                self._read_at = time.monotonic()
            return self._packages

    def resolve(self, ref: str | None) -> ModelPackage:
        """Return the package of a reference, of the default when there is none.

        Raises:
            UnknownModel: no such package.
        """
        return resolve(self.packages(), ref or self.default)

    def find(self, name: str, version: str | None) -> ModelPackage | None:
        """Return a package that may be missing here, such as one that only workers have."""
        packages = self.packages()
        if version is not None:
            return packages.get((name, version))
        return next((p for p in packages.values() if p.name == name), None)
