"""What the S3 store promises beyond the contract: few requests, no leftovers, quick and clear failures."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator

import pytest

from shared.archive import read_directory
from shared.blobs import open_blobs
from shared.blobs_s3 import PART_BYTES, S3Blobs
from shared.errors import Unavailable
from shared.manifest import ManifestBuilder, read_slice
from shared.members import read_members
from shared.settings import Settings
from tests.shared.s3_server import BUCKET, KEY_ID, SECRET, S3Server, running_s3


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    """Run the S3 server for this file."""
    with running_s3() as server:
        yield server


@pytest.fixture
def server(running: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Give credentials by the usual variables and forget earlier requests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    running.requests.clear()
    return running


@pytest.fixture
def blobs(server: S3Server) -> S3Blobs:
    """Open the store of the settings."""
    settings = Settings(storage_url=f"s3://{BUCKET}/some/prefix", s3_endpoint=server.endpoint)
    opened = open_blobs(settings)
    assert isinstance(opened, S3Blobs)
    return opened


def zip_of(count: int, size: int) -> bytes:
    """Make a zip of stored members, each beginning with its number."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for n in range(count):
            archive.writestr(f"{n:05d}.png", f"{n:08d}".encode() + bytes(size))
    return buffer.getvalue()


def test_the_prefix_goes_before_every_key(blobs: S3Blobs, server: S3Server) -> None:
    """Another client finds the object where the address says."""
    blobs.put("inputs/a", b"x")
    client = server.client()
    assert client.get_object(Bucket=BUCKET, Key="some/prefix/inputs/a")["Body"].read() == b"x"
    client.close()


def test_the_usual_endpoint_variable_is_heard(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`AWS_ENDPOINT_URL` stands in where no endpoint is set."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    S3Blobs(BUCKET, region="us-east-1").put("by/environment", b"x")
    assert [request.method for request in server.requests] == ["PUT"]


def test_a_thousand_neighbours_are_a_handful_of_requests(blobs: S3Blobs, server: S3Server) -> None:
    """A worker's slice of a large zip costs few ranged reads and never the whole object."""
    data = zip_of(10_000, 300)
    blobs.put("inputs/zip", data)
    builder = ManifestBuilder()
    server.requests.clear()
    builder.extend_directory(0, read_directory(blobs.source("inputs/zip", len(data))))
    assert len(server.gets()) <= 2
    assert len(server.requests) == len(server.gets())

    blobs.put("manifests/m", builder.build())
    server.requests.clear()
    part = read_slice(blobs.source("manifests/m"), 4000, 5000)
    assert len(server.gets()) <= 3
    assert sum(request.span_bytes for request in server.gets()) < 400_000

    server.requests.clear()
    found = dict(read_members({0: blobs.source("inputs/zip", len(data))}, part, Settings()))
    assert found[17] == b"00004017" + bytes(300)
    assert len(found) == 1000
    assert len(server.gets()) == 1
    assert sum(request.span_bytes for request in server.gets()) < 450_000


def test_far_ranges_are_read_apart(blobs: S3Blobs, server: S3Server) -> None:
    """What lies between two far ranges is not transferred."""
    blobs.put("inputs/large", bytes(3_000_000))
    server.requests.clear()
    blobs.source("inputs/large", 3_000_000).read_many([(0, 10), (20, 10), (2_900_000, 10)])
    assert sorted(request.span for request in server.gets()) == ["bytes=0-29", "bytes=2900000-2900009"]


def test_an_abort_leaves_no_parts(blobs: S3Blobs, server: S3Server) -> None:
    """An upload given up in the middle costs no storage afterwards."""
    with blobs.open_writer("inputs/half") as writer:
        writer.write(bytes(3 * PART_BYTES))
    client = server.client()
    assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    client.close()


def test_a_small_object_is_one_request(blobs: S3Blobs, server: S3Server) -> None:
    """A writer of little data makes no multipart upload."""
    with blobs.open_writer("inputs/small") as writer:
        writer.write(b"0123")
        writer.commit()
    assert [request.method for request in server.requests] == ["PUT"]


def test_a_dead_server_is_noticed_within_seconds() -> None:
    """The probe of an endpoint where nobody listens fails fast and clearly."""
    dead = S3Blobs(
        BUCKET, endpoint="http://127.0.0.1:9", region="us-east-1", access_key_id="a", secret_access_key="b"
    )
    began = time.monotonic()
    with pytest.raises(Unavailable):
        dead.probe()
    assert time.monotonic() - began < 20


def test_a_missing_bucket_is_an_error_of_ours(server: S3Server) -> None:
    """A bucket that is not there is a storage out of order, not a missing upload."""
    nowhere = S3Blobs("nowhere", endpoint=server.endpoint, region="us-east-1")
    with pytest.raises(Unavailable):
        nowhere.probe()

    def upload() -> None:
        with nowhere.open_writer("a") as writer:
            writer.write(bytes(3 * PART_BYTES))
            writer.commit()

    with pytest.raises(Unavailable):
        upload()
