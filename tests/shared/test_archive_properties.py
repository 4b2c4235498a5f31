"""Laws of zips: what the standard library writes we read alike; what mutation breaks never breaks us."""

from __future__ import annotations

import io
import random
import time
import tracemalloc
import warnings
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.archive import ArchiveLimits, read_directory
from shared.errors import InkqueueError, ItemError
from shared.manifest import ManifestBuilder, read_all
from shared.members import read_members
from shared.names import clean_name, is_hidden
from shared.settings import Settings
from shared.sources import BytesSource
from tests.shared.zips import Member as Raw
from tests.shared.zips import raw_zip, zip_bytes

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
COMMENTS = st.binary(max_size=30).filter(
    lambda comment: b"PK" not in comment
)  # zipfile trips over its own mark
CONTENTS = st.binary(max_size=3000) | st.integers(0, 300_000).map(bytes)
LIMITS = ArchiveLimits(max_members=1000, max_member_bytes=1_000_000, max_inflated_bytes=10_000_000)
SETTINGS = Settings(max_member_bytes=1_000_000)
SMALL = zip_bytes(
    [(f"dir/{n}.png", random.Random(n).randbytes(40) + bytes(n)) for n in range(12)], deflate=True
)
ZIP64 = raw_zip(
    [Raw(b"a.png"), Raw("ü.tif".encode(), b"x" * 50, method=8), Raw(b"b.txt")], zip64=True, prefix=b"#!"
)


def read_everything(data: bytes) -> dict[int, bytes | ItemError | None]:
    """Read a zip as the service does: directory, manifest, members."""
    builder = ManifestBuilder()
    source = BytesSource(data)
    builder.extend_directory(0, read_directory(source, LIMITS))
    return dict(read_members({0: source}, read_all(builder.build()), SETTINGS))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, CONTENTS, st.booleans()), max_size=12), COMMENTS)
def test_what_the_library_writes_is_read_alike(
    members: list[tuple[str, bytes, bool]], comment: bytes
) -> None:
    """Every regular member comes back, in order, under its clean name, byte for byte."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # two members of one name are what we want
        for name, data, deflated in members:
            info = zipfile.ZipInfo(name)
            method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
            archive.writestr(info, data, method)
        archive.comment = comment
    builder = ManifestBuilder()
    source = BytesSource(buffer.getvalue())
    builder.extend_directory(0, read_directory(source, LIMITS))
    part = read_all(builder.build())

    with zipfile.ZipFile(buffer) as archive:
        infos = archive.infolist()
        expected = [
            (clean_name(info.filename) or f"item-{n + 1}", archive.read(info))
            for n, info in enumerate(infos)
            if not info.filename.endswith(("/", "\\")) and not is_hidden(clean_name(info.filename))
        ]
    assert [part.name(i) for i in range(len(part))] == [name for name, _ in expected]
    for i, read in read_members({0: source}, part, SETTINGS):
        if isinstance(read, bytes):
            assert read == expected[i][1]
        else:
            assert (read is None) == (part.skip_reason(i) is not None)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([SMALL, ZIP64]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
    st.booleans(),
)
def test_no_damaged_zip_breaks_the_reader(data: bytes, changes: list[tuple[int, int]], at_end: bool) -> None:
    """Whatever bytes are changed: an error of ours or items, soon, and without much memory."""
    damaged = bytearray(data)
    for position, value in changes:
        damaged[-1 - position % min(len(data), 900) if at_end else position % len(data)] = value
    tracemalloc.start()
    began = time.process_time()
    try:
        found = read_everything(bytes(damaged))
        assert sorted(found) == list(range(len(found)))
    except InkqueueError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8_000_000
    assert time.process_time() - began < 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_bytes_break_the_reader(junk: bytes, cut: int) -> None:
    """Junk before, behind and within a zip is an error of ours at worst."""
    for data in (junk, junk + SMALL, SMALL + junk, SMALL[:cut] + junk + SMALL[cut:]):
        try:
            read_everything(data)
        except InkqueueError:
            continue
