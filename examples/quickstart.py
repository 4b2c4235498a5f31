"""Submit a zip of scans, wait with a progress bar, and list what should be looked at by a person."""

from __future__ import annotations

import sys

from inkqueue import Client, InkqueueError, Item


def doubtful(items: list[Item]) -> list[Item]:
    """Return the readings that are not safe enough to be used unseen."""
    return [item for item in items if item.status == "succeeded" and not item.accepted]


def main(path: str) -> int:
    """Read the images of a zip, a folder or a file."""
    try:
        with Client() as client:
            job = client.submit(path, name="quickstart", priority="high").wait(progress=True)
            items = list(job.results())
    except InkqueueError as error:
        print(f"{error} {error.hint}", file=sys.stderr)
        return 1
    for item in doubtful(items):
        confidence = 0.0 if item.confidence is None else item.confidence
        print(f"{item.name}: {item.prediction or 'nothing'} ({confidence:.1%}) {', '.join(item.reasons)}")
    for item in items:
        if item.error is not None:
            print(f"{item.name}: {item.error.detail}")
    print(
        f"{job.id}: {job.counts.accepted} accepted, {job.counts.review} to review, {job.counts.failed} failed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
