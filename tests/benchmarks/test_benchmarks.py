"""`make bench` in small: the load is fair, and every figure is printed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.pictures import make_zip


def test_the_load_is_labelled_pictures_that_all_differ() -> None:
    """Each member is a 28×28 PNG of its own, so that no cache helps."""
    with zipfile.ZipFile(io.BytesIO(make_zip(1200, None))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    assert len(set(members.values())) == 1200
    for name, data in members.items():
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        assert picture.shape == (28, 28)
        assert name[-5] in "0123456789"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_benchmarks_run_and_print_every_figure(tmp_path: Path) -> None:
    """A small run on a stack of its own ends well, with all figures above zero."""
    command = [sys.executable, "-m", "benchmarks", "--images", "300", "--runs", "1", "--workers", "1"]
    options = ["--requests", "10", "--clients", "1", "--json"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=root, check=False)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["throughput"]["images"] == 300
    assert report["throughput"]["accuracy"] > 0.95
    assert report["throughput"]["median"] > 0
    assert report["throughput"]["limit"] > 0
    assert report["latency"][0]["requests"] == 10
    assert 0 < report["latency"][0]["p50_ms"] <= report["latency"][0]["p95_ms"]
    assert report["queue"]["claim_ms"] > 0
    assert set(report["queue"]["commit_ms"]) == {"256", "1000"}
