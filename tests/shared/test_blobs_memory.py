"""An upload takes the same little memory however long it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared.s3_server import BUCKET, KEY_ID, SECRET, running_s3

MIB = 1024 * 1024
UPLOAD = """
import sys
from pathlib import Path
from shared.blobs import open_blobs
from shared.settings import Settings

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blobs = open_blobs(Settings(storage_url=sys.argv[1], s3_endpoint=sys.argv[2]))
before, most = resident(), 0
with blobs.open_writer("inputs/long") as writer:
    for _ in range(256):
        writer.write(bytes(1024 * 1024))
        most = max(most, resident())
    writer.commit()
print(max(most, resident()) - before, blobs.size("inputs/long"))
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_long_upload_takes_little_memory(kind: str, tmp_path: Path) -> None:
    """A quarter of a gigabyte moves the writing process by less than 64 MiB."""
    with running_s3() as server:
        address = f"file://{tmp_path}" if kind == "folder" else f"s3://{BUCKET}/x"
        keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-c", UPLOAD, address, server.endpoint]
        done = subprocess.run(command, env=keys, capture_output=True, text=True, timeout=50, check=True)
    grown, stored = map(int, done.stdout.split())
    assert stored == 256 * MIB
    assert grown < 64 * MIB
