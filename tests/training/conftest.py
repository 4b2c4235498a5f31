"""Tests of the laboratory need the training extra; they are left out only by saying so: `-m "not torch"`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from training.course import School

HAS_TORCH = find_spec("torch") is not None
collect_ignore_glob = [] if HAS_TORCH else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Stop where torch is missing and nobody asked to go without it."""
    if not HAS_TORCH and "not torch" not in str(config.getoption("markexpr")):
        raise pytest.UsageError(
            'tests/training needs `pip install ".[training]"`, or run with -m "not torch"'
        )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Lay out a small MNIST of this test's own."""
    from tests.training.tiny import lay_out  # needs torch, which this file must do without

    return lay_out(tmp_path / "mnist")


@pytest.fixture(scope="session")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a small MNIST that nobody writes to."""
    from tests.training.tiny import lay_out

    return lay_out(tmp_path_factory.mktemp("data") / "mnist")


@pytest.fixture(scope="session")
def school(mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> School:
    """Hold a tiny course with two students, on one thread; nobody writes to its folder."""
    import torch

    from tests.training.tiny import COURSE
    from training.classes import Room, hold
    from training.course import write_course

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("course")
    write_course(COURSE, folder)
    return hold(Room(folder, mnist, COURSE), (1, 2), jobs=1)
