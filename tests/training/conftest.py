"""Tests of the laboratory need the training extra; they are left out only by saying so: `-m "not torch"`."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

HAS_TORCH = find_spec("torch") is not None
collect_ignore_glob = [] if HAS_TORCH else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Stop where torch is missing and nobody asked to go without it."""
    if not HAS_TORCH and "not torch" not in str(config.getoption("markexpr")):
        raise pytest.UsageError(
            'tests/training needs `pip install ".[training]"`, or run with -m "not torch"'
        )
