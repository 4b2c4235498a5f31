"""The manifest of a job: a fixed-width record an item and a blob of names; a worker reads only its slice."""

from shared.manifest.builder import ManifestBuilder, OutcomeCounts
from shared.manifest.cutting import Costs, cut_chunks
from shared.manifest.editing import expand, select
from shared.manifest.layout import ManifestSlice, count, pack, read_all, read_slice
from shared.records import MAY_HAVE_PAGES, REASONS, RECORD, Method, Outcome, Records, Refused, item_error

__all__ = [
    "MAY_HAVE_PAGES",
    "REASONS",
    "RECORD",
    "Costs",
    "ManifestBuilder",
    "ManifestSlice",
    "Method",
    "Outcome",
    "OutcomeCounts",
    "Records",
    "Refused",
    "count",
    "cut_chunks",
    "expand",
    "item_error",
    "pack",
    "read_all",
    "read_slice",
    "select",
]
