"""Count the pages of one file in a process of its own: `python -m worker.page_counter MAX < FILE`.

Used for files of a chunk that has killed its worker before: what dies here costs nobody else. Prints the number of
pages, or `code` and `detail` of the item's error with exit status 3.
"""

from __future__ import annotations

import subprocess
import sys

from shared.errors import ITEM_ERRORS, ItemError, ModelError, UndecodableImage

_REFUSED = 3


def count_apart(data: bytes, *, max_pages: int, timeout_s: float = 20.0) -> int:
    """Count pages in a child process.

    Raises:
        ItemError: the file is broken, or counting its pages killed the child or took too long.
    """
    command = [sys.executable, "-m", "worker.page_counter", str(max_pages)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise UndecodableImage("Counting the pages of this file took too long.") from None
    if done.returncode == 0:
        return int(done.stdout)
    if done.returncode == _REFUSED:
        code, _, detail = done.stdout.decode().partition("\n")
        raise ITEM_ERRORS[code](detail)
    raise ModelError("Counting the pages of this file stopped the process; it was set aside.")


def main() -> int:
    """Read the file from standard input and count."""
    from shared.vision import count_pages  # only here: whoever calls `count_apart` need not load the decoders

    try:
        print(count_pages(sys.stdin.buffer.read(), max_pages=int(sys.argv[1])))
    except ItemError as error:
        print(f"{error.code}\n{error.detail}", end="")
        return _REFUSED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
