"""The manifest keeps what was submitted, lets slices be read cheaply, and is cut into even chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.archive import read_directory
from shared.errors import ITEM_ERRORS, Internal, NestedArchive, TooManyPages, UndecodableImage
from shared.manifest import (
    MAY_HAVE_PAGES,
    REASONS,
    RECORD,
    Costs,
    ManifestBuilder,
    Outcome,
    count,
    cut_chunks,
    expand,
    read_all,
    read_slice,
    select,
)
from shared.sources import BytesSource
from tests.shared.zips import zip_bytes


class Watched(BytesSource):
    """A source that counts what is read of it."""

    read_bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        """Read and count."""
        self.read_bytes += length
        return super().read(offset, length)


def mixed() -> ManifestBuilder:
    """Collect a whole file, a zip, and files that are refused or skipped."""
    builder = ManifestBuilder()
    builder.add_whole(0, "first.png", 100, custom_id="one")
    members = [("a.png", b"x"), ("notes.txt", b"x"), ("b.tif", b"x"), ("ü.png", b"x"), ("in.zip", b"x")]
    builder.extend_directory(1, read_directory(BytesSource(zip_bytes(members))))
    builder.add_failed(2, "inner.7z", NestedArchive(), 50)
    builder.add_skipped(3, "readme.md", 10)
    builder.add_whole(4, "../last.pdf", 100, custom_id="last.pdf")
    return builder


def test_every_item_keeps_its_name_and_number() -> None:
    """Names, custom ids, inputs and outcomes come back in the order of submission."""
    part = read_all(mixed().build())
    assert [part.name(i) for i in range(len(part))] == [
        "first.png",
        "a.png",
        "notes.txt",
        "b.tif",
        "ü.png",
        "in.zip",
        "inner.7z",
        "readme.md",
        "last.pdf",
    ]
    assert [part.custom_id(i) for i in range(len(part))] == ["one", *[None] * 8]
    assert part.records["input"].tolist() == [0, 1, 1, 1, 1, 1, 2, 3, 4]
    assert [part.skip_reason(i) for i in (0, 2, 7)] == [None, "not_an_image", "not_an_image"]
    errors = [part.error(i) for i in range(len(part))]
    assert [error.code if error else None for error in errors] == [
        *[None] * 5,
        "nested_archive",
        "nested_archive",
        None,
        None,
    ]


def test_the_builder_tells_what_a_dry_run_shows() -> None:
    """Counts, skipped and refused files are known before anything is stored."""
    builder = mixed()
    assert builder.counts() == (9, 5, 2, 2)
    assert len(builder) == 9
    assert builder.skipped() == [
        {"name": "notes.txt", "reason": "not_an_image"},
        {"name": "readme.md", "reason": "not_an_image"},
    ]
    assert [(refused.name, refused.code) for refused in builder.refused()] == [
        ("in.zip", "nested_archive"),
        ("inner.7z", "nested_archive"),
    ]
    assert all(refused.detail for refused in builder.refused())


def test_pages_are_counted_only_where_there_may_be_some() -> None:
    """The name decides, or the signature where it was seen; refused files do not count."""
    assert mixed().may_have_pages()
    builder = ManifestBuilder()
    builder.add_whole(0, "a.png", 5)
    builder.add_whole(1, "b.tif", 5, may_have_pages=False)
    builder.add_whole(2, "empty.tif", 0)
    assert not builder.may_have_pages()
    builder.add_whole(3, "scan", 5, may_have_pages=True)
    assert builder.may_have_pages()
    assert (builder.records()["flags"] & MAY_HAVE_PAGES).tolist() == [0, 0, 0, 1]


def test_custom_ids_given_twice_are_found() -> None:
    """Only given ones count, equal to the name or not."""
    builder = ManifestBuilder()
    for name, custom_id in (
        ("a", None),
        ("a", None),
        ("b", "x"),
        ("c", "x"),
        ("d", "d"),
        ("e", "d"),
        ("f", "a"),
    ):
        builder.add_whole(0, name, 1, custom_id)
    assert builder.duplicate_custom_ids() == ["x", "d"]


def test_a_nameless_file_gets_a_name() -> None:
    """A name of which nothing is left becomes the item's number; odd text does no harm."""
    builder = ManifestBuilder()
    builder.add_whole(0, "../..", 1)
    builder.add_whole(1, "", 1, custom_id="\udc80")
    part = read_all(builder.build())
    assert [part.name(0), part.name(1), part.custom_id(1)] == ["item-1", "item-2", "?"]


def test_an_empty_manifest_is_one() -> None:
    """No items is a number of items."""
    data = ManifestBuilder().build()
    assert count(data) == 0
    assert len(read_all(data)) == 0
    assert cut_chunks(read_all(data).records) == []
    assert count(select(mixed().build(), [])) == 0


def test_a_slice_reads_only_its_part() -> None:
    """Of a large manifest hardly more is read than the records and names of the slice."""
    builder = ManifestBuilder()
    members = [(f"folder/{n:06d}.png", b"x") for n in range(5000)]
    builder.extend_directory(0, read_directory(BytesSource(zip_bytes(members))))
    source = Watched(builder.build())
    part = read_slice(source, 4000, 4100)
    assert [part.name(0), part.name(99), len(part), part.first_seq] == [
        "folder/004000.png",
        "folder/004099.png",
        100,
        4000,
    ]
    assert source.read_bytes < 100 * (RECORD.itemsize + 17) + 100


def test_a_slice_can_be_sliced() -> None:
    """A part of a slice keeps names and seqs."""
    part = read_slice(mixed().build(), 1, 6)[2:4]
    assert [part.name(0), part.name(1), part.first_seq, len(part)] == ["b.tif", "ü.png", 3, 2]
    with pytest.raises(ValueError):
        part[::2]


@pytest.mark.parametrize(("first", "end"), [(0, 10), (5, 4), (9, 12), (-1, 3)])
def test_a_slice_beyond_the_end_is_a_defect(first: int, end: int) -> None:
    """Chunks and manifest have to agree."""
    with pytest.raises(Internal):
        read_slice(mixed().build(), first, end)


@pytest.mark.parametrize("data", [b"", b"INKQMAN1", b"x" * 100, b"INKQMAN1" + b"\xff" * 100])
def test_what_is_no_manifest_is_a_defect(data: bytes) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(Internal):
        count(data)


def test_pages_become_items() -> None:
    """A file of k pages is k items, numbered from 1; others stay, failures stay one item."""
    builder = ManifestBuilder()
    for n, name in enumerate(("a.png", "b.tif", "c.pdf", "d.tif", "e.pdf")):
        builder.add_whole(n, name, 100, custom_id=f"id-{name}")
    part = read_all(expand(builder.build(), {1: 3, 2: UndecodableImage(), 3: 1, 4: TooManyPages()}))
    assert [part.name(i) for i in range(len(part))] == [
        "a.png",
        "b.tif",
        "b.tif",
        "b.tif",
        "c.pdf",
        "d.tif",
        "e.pdf",
    ]
    assert part.custom_id(3) == "id-b.tif"
    assert part.records["page"].tolist() == [0, 1, 2, 3, 0, 1, 0]
    assert part.records["pages"].tolist() == [0, 3, 3, 3, 0, 1, 0]
    assert part.records["input"].tolist() == [0, 1, 1, 1, 2, 3, 4]
    errors = [part.error(i) for i in (3, 4, 6)]
    assert [error.code if error else None for error in errors] == [
        None,
        "undecodable_image",
        "too_many_pages",
    ]
    assert not (part.records["flags"] & MAY_HAVE_PAGES).any()


def test_pages_beyond_the_items_of_a_job_fail_their_file() -> None:
    """Thousands of documents of a thousand pages do not make a job of millions of items."""
    builder = ManifestBuilder()
    for n in range(4):
        builder.add_whole(n, f"{n}.pdf", 100)
    part = read_all(expand(builder.build(), {0: 5, 1: 90, 2: 4, 3: 1}, max_items=12))
    assert part.records["input"].tolist() == [0] * 5 + [1] + [2] * 4 + [3]
    error = part.error(5)
    assert error is not None
    assert error.code == "too_many_pages"


def test_a_retry_has_only_what_was_selected() -> None:
    """Items keep input, page, name and custom id; seqs become dense."""
    builder = mixed()
    whole = expand(builder.build(), {8: 3})
    retry = read_all(select(whole, [0, 4, 9, 10]))
    assert [retry.name(i) for i in range(4)] == ["first.png", "ü.png", "last.pdf", "last.pdf"]
    assert [retry.custom_id(i) for i in range(4)] == ["one", None, None, None]
    assert retry.records["page"].tolist() == [0, 0, 2, 3]
    assert retry.records["input"].tolist() == [0, 1, 4, 4]
    part = read_slice(select(whole, np.array([0, 4, 9, 10])), 2, 4)
    assert [part.name(0), part.name(1)] == ["last.pdf", "last.pdf"]
    again = read_all(select(select(whole, [9, 4]), [1]))
    assert again.name(0) == "ü.png"


def test_every_code_has_a_number() -> None:
    """A manifest can say each error that an item may fail with."""
    assert set(ITEM_ERRORS) <= set(REASONS)
    assert RECORD.itemsize == 64


def records_of(sizes: list[int], stored: list[int] | None = None) -> np.ndarray:
    """Make open records of these sizes."""
    records = np.zeros(len(sizes), dtype=RECORD)
    records["size"], records["comp_size"] = sizes, stored or sizes
    return records


def test_a_job_of_equal_images_is_cut_evenly() -> None:
    """Ten thousand small images are chunks of the same size."""
    lengths = {end - first for first, end in cut_chunks(records_of([300] * 10_000))}
    assert lengths == {1000}
    lengths = {end - first for first, end in cut_chunks(records_of([300] * 10_001))}
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= 1000


def test_large_images_make_small_chunks() -> None:
    """Pages of megabytes are cut by estimated time, files of little work by their stored bytes."""
    by_time = cut_chunks(records_of([5_000_000] * 100), costs=Costs(item_s=0, byte_s=40e-9))
    assert max(end - first for first, end in by_time) <= 6
    by_bytes = cut_chunks(records_of([8 * 2**20] * 16), costs=Costs(item_s=0, byte_s=0))
    assert by_bytes == [(n, n + 4) for n in range(0, 16, 4)]


def test_a_giant_stands_alone() -> None:
    """One huge file does not drag its neighbours along."""
    chunks = cut_chunks(records_of([300] * 10 + [2**31] + [300] * 10))
    assert (10, 11) in chunks


@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2)), max_size=300),
    st.integers(1, 50),
    st.floats(0.001, 10),
    st.integers(1, 2**30),
)
def test_chunks_are_gap_free_and_within_their_limits(
    items: list[tuple[int, int]], max_items: int, target_s: float, max_bytes: int
) -> None:
    """Whatever the sizes: contiguous from 0 to the end, never empty, never more items than allowed."""
    records = records_of([size for size, _ in items])
    records["outcome"] = [outcome for _, outcome in items]
    chunks = cut_chunks(records, target_s=target_s, max_items=max_items, max_bytes=max_bytes)
    assert [first for first, _ in chunks] == [0, *[end for _, end in chunks]][: len(chunks)]
    assert (chunks[-1][1] if chunks else 0) == len(items)
    assert all(0 < end - first <= max_items for first, end in chunks)


def test_a_refused_item_costs_nearly_nothing() -> None:
    """Skipped members do not cut a job into crumbs."""
    records = records_of([2**30] * 500)
    records["outcome"] = Outcome.SKIPPED
    assert len(cut_chunks(records)) <= 2
