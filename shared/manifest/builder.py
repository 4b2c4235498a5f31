"""Collect the items of a submission, file by file, into a manifest."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from shared import names
from shared.archive import Directory
from shared.errors import EmptyFile, ItemError
from shared.manifest.layout import ManifestSlice, pack
from shared.records import (
    MAY_HAVE_PAGES,
    REASON_OF,
    RECORD,
    Method,
    Outcome,
    Records,
    Refused,
)


class OutcomeCounts(NamedTuple):
    """How many items there are, and what is known of them before they are read."""

    total: int
    open: int
    skipped: int
    failed: int


class ManifestBuilder:
    """Collects items in the order of their `seq`. Not thread-safe."""

    def __init__(self) -> None:
        self._blocks: list[Records] = []
        self._names: list[bytes] = []
        self._names_bytes = 0
        self._count = 0
        self._given: list[int] = []

    def __len__(self) -> int:
        return self._count

    def add_whole(
        self,
        input_ordinal: int,
        name: str,
        size: int,
        custom_id: str | None = None,
        *,
        may_have_pages: bool | None = None,
    ) -> None:
        """Add a file that is one item (or one a page); an empty one fails as `empty_file`.

        Args:
            input_ordinal: the file's place among the job's inputs, from 0.
            size: bytes.
            custom_id: the caller's own; by default the name.
            name: cleaned here; a name of which nothing is left becomes `item-<n>`.
            may_have_pages: what the signature says; by default the name decides.
        """
        label = self._label(name)
        if size == 0:
            self.add_failed(input_ordinal, label, EmptyFile(), custom_id=custom_id)
            return
        if may_have_pages is None:
            may_have_pages = names.ends_with(label, names.MULTI_PAGE)
        record = self._add(input_ordinal, label, size, custom_id)
        record["flags"] = MAY_HAVE_PAGES if may_have_pages else 0

    def add_range(
        self,
        input_ordinal: int,
        name: str,
        offset: int,
        size: int,
        custom_id: str | None = None,
        *,
        may_have_pages: bool = False,
    ) -> None:
        """Add a file that lies as it is at `offset` of an input that holds several; empty ones fail too."""
        label = self._label(name)
        if size == 0:
            self.add_failed(input_ordinal, label, EmptyFile(), custom_id=custom_id)
            return
        record = self._add(input_ordinal, label, size, custom_id)
        record["method"], record["offset"] = Method.RANGE, offset
        record["flags"] = MAY_HAVE_PAGES if may_have_pages else 0

    def add_failed(
        self, input_ordinal: int, name: str, error: ItemError, size: int = 0, custom_id: str | None = None
    ) -> None:
        """Add a file that fails without being read; of the error the code is kept."""
        record = self._add(input_ordinal, self._label(name), size, custom_id)
        record["outcome"], record["reason"] = Outcome.FAILED, REASON_OF[error.code]

    def add_skipped(self, input_ordinal: int, name: str, size: int = 0, custom_id: str | None = None) -> None:
        """Add a file that nobody tries to read."""
        record = self._add(input_ordinal, self._label(name), size, custom_id)
        record["outcome"], record["reason"] = Outcome.SKIPPED, REASON_OF["not_an_image"]

    def extend_directory(self, input_ordinal: int, directory: Directory) -> None:
        """Add all members of a zip."""
        block = directory.records.copy()
        block["input"] = input_ordinal
        block["name_off"] += np.uint64(self._names_bytes)
        self._append(block, directory.names)

    def counts(self) -> OutcomeCounts:
        """Count the items by what is known of them."""
        found = np.bincount(self._records()["outcome"], minlength=3).tolist()
        return OutcomeCounts(self._count, found[0], found[1], found[2])

    def may_have_pages(self) -> bool:
        """Tell whether any item that will be read may have several pages."""
        records = self._records()
        return bool(((records["flags"] & MAY_HAVE_PAGES != 0) & (records["outcome"] == Outcome.OPEN)).any())

    def duplicate_custom_ids(self) -> list[str]:
        """Return the given custom ids that several items have, each once, in order."""
        view = self._view()
        given = Counter(view.custom_id(i) or view.name(i) for i in self._given)
        return [custom_id for custom_id, times in given.items() if times > 1]

    def skipped(self) -> list[dict[str, str]]:
        """List the skipped items as `{"name", "reason"}`."""
        view = self._view()
        at = np.flatnonzero(view.records["outcome"] == Outcome.SKIPPED).tolist()
        return [{"name": view.name(i), "reason": view.skip_reason(i) or ""} for i in at]

    def refused(self) -> list[Refused]:
        """List the items that fail before they are read."""
        view = self._view()
        at = np.flatnonzero(view.records["outcome"] == Outcome.FAILED).tolist()
        failed = [(view.name(i), view.error(i)) for i in at]
        return [Refused(name, error.code, error.detail) for name, error in failed if error]

    def records(self) -> Records:
        """Return the records, in order; what `cut_chunks` wants."""
        return self._records()

    def build(self) -> bytes:
        """Return the manifest."""
        return pack(self._records(), b"".join(self._names))

    def _label(self, name: str) -> str:
        """Clean a name and make sure that something is left."""
        return names.clean_name(name) or f"item-{self._count + 1}"

    def _add(self, input_ordinal: int, label: str, size: int, custom_id: str | None) -> Records:
        """Append one record of a whole file and return it, to be completed."""
        name = label.encode("utf-8", "replace")
        own = b"" if custom_id is None or custom_id == label else custom_id.encode("utf-8", "replace")
        block = np.zeros(1, dtype=RECORD)
        block["input"], block["method"], block["size"] = input_ordinal, Method.WHOLE, size
        block["comp_size"], block["name_off"] = size, self._names_bytes
        block["name_len"], block["cid_len"] = len(name), len(own)
        if custom_id is not None:
            self._given.append(self._count)
        self._append(block, name + own)
        return block

    def _append(self, block: Records, blob: bytes) -> None:
        """Append records and their names."""
        self._blocks.append(block)
        self._names.append(blob)
        self._names_bytes += len(blob)
        self._count += len(block)

    def _records(self) -> Records:
        """Return all records as one array, put together once."""
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate(self._blocks) if self._blocks else np.zeros(0, dtype=RECORD)]
        return self._blocks[0]

    def _view(self) -> ManifestSlice:
        """Look at what has been collected as at a manifest."""
        self._names = [b"".join(self._names)]
        return ManifestSlice(self._records(), self._names[0], 0, 0)
