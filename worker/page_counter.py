"""Count the pages of one file in a process of its own: `python -m worker.page_counter PARENT MAX < FILE`.

Used for files of a chunk whose worker was lost before: what dies here costs nobody else. Prints the number of pages, or
`code` and `detail` of the item's error with exit status 3.
"""

from __future__ import annotations

import sys

from shared.errors import ITEM_ERRORS, ItemError, ModelError, Unavailable, UndecodableImage
from worker.guard import BEGUN, run_guarded
from worker.orphan import die_with_parent

_REFUSED = 3
TRIES = 3


class CountedTooLong(UndecodableImage):
    """Counting pages took too long; a busy machine may be the reason, so the file is tried again."""

    default = "Counting the pages of this file took too long."


def count_apart(data: bytes, *, max_pages: int, timeout_s: float = 20.0, memory_bytes: int = 0) -> int:
    """Count pages in a child process.

    Raises:
        CountedTooLong: it took longer than `timeout_s`.
        ItemError: the file is broken, or counting its pages killed the child three times.
        Unavailable: no child could begin; that says nothing about the file.
    """
    for _ in range(TRIES):
        done = run_guarded(
            "worker.page_counter", [str(max_pages)], data, limit_s=timeout_s, memory_bytes=memory_bytes
        )
        if not done.has_begun:
            raise Unavailable(f"The pages of a file could not be counted apart: {done.errors[-500:]}")
        if done.reason == "time":
            raise CountedTooLong
        if done.reason is None and done.code == 0:
            return int(done.output)
        code, _, detail = done.output.decode(errors="replace").partition("\n")
        if done.reason is None and done.code == _REFUSED and code in ITEM_ERRORS:
            raise ITEM_ERRORS[code](detail)
    raise ModelError("Counting the pages of this file stopped the process; it was set aside.")


def main() -> int:
    """Read the file from standard input and count."""
    die_with_parent(int(sys.argv[1]))
    from shared.vision import count_pages  # only here: whoever calls `count_apart` need not load the decoders

    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(BEGUN)
    sys.stdout.buffer.flush()
    try:
        print(count_pages(data, max_pages=int(sys.argv[2])))
    except ItemError as error:
        print(f"{error.code}\n{error.detail}", end="")
        return _REFUSED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
