"""The version of the installed package, which `pyproject.toml` alone decides."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("inkqueue")
except PackageNotFoundError:  # Run from a source tree that nobody installed.
    __version__ = "0+unknown"
