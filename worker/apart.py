"""Read one picture in a process of its own: `python -m worker.apart PARENT < REQUEST`.

For an item that was in hand, by itself, when its worker was lost. If it takes this process down, the worker lives to
tell; if not, its answer is that of any other item, from the same engine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import orjson

from shared.errors import ITEM_ERRORS, ItemError, Unavailable, UndecodableImage
from shared.logs import get_logger
from shared.settings import Settings, get_settings
from worker.guard import BEGUN, run_guarded
from worker.orphan import die_with_parent
from worker.parts import Said, say

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What there is to read: by which model, which page, for which target error."""

    model: str
    page: int
    target_error: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read, or why not; and the size of the picture where it is known."""

    said: Said | None
    error: ItemError | None
    width: int | None
    height: int | None


class Crashed(Exception):
    """The process that read the item died of it."""


class Stopped(Exception):
    """Nobody wants the answer any more."""


def read_apart(
    data: bytes, request: Request, settings: Settings, limit_s: float, is_unwanted: Callable[[], bool]
) -> Answer:
    """Read one picture in another process.

    Raises:
        Crashed: the process died by a signal, took longer than `limit_s` or more memory than a chunk may.
        Stopped: `is_unwanted` said so.
        Unavailable: the process could not be started; that says nothing about the picture.
    """
    done = run_guarded(
        "worker.apart",
        [],
        orjson.dumps(asdict(request)) + b"\n" + data,
        limit_s=limit_s,
        memory_bytes=settings.chunk_memory_bytes,
        is_unwanted=is_unwanted,
    )
    if done.reason == "stopped":
        raise Stopped
    if done.crashed:
        log.error("item_crashed", reason=done.reason or f"exit code {done.code}")
        raise Crashed
    if done.code:
        raise Unavailable(f"An item could not be read apart: {done.errors[-500:]}")
    told = orjson.loads(done.output)
    error = ITEM_ERRORS[told["error"][0]](told["error"][1]) if told["error"] else None
    said = Said(*told["said"]) if told["said"] else None
    return Answer(said, error, told["width"], told["height"])


def main() -> None:
    """Load the model, say so, read the picture, print the answer."""
    die_with_parent(int(sys.argv[1]))
    # only here: whoever calls `read_apart` has loaded its engines already
    from shared.packages import find_packages, resolve
    from shared.vision import decode, prepare
    from worker.engines import classify, load_engine

    settings = get_settings()
    head, _, data = sys.stdin.buffer.read().partition(b"\n")
    request = Request(**orjson.loads(head))
    package = resolve(find_packages(settings.model_dirs), request.model)
    engine = load_engine(
        package, engine=settings.engine, device=settings.device, threads=settings.worker_threads
    )
    sys.stdout.buffer.write(BEGUN)
    sys.stdout.buffer.flush()
    said, error, width, height = None, None, None, None
    try:
        image = decode(data, page=request.page, max_pixels=settings.max_image_pixels)
        width, height = image.width, image.height
        prepared = prepare(image.pixels, **package.card["preparation"], shape=package.shape)
        readings = classify(package, engine, [prepared], target_error=request.target_error)
        said = say(package.labels, readings)[0]
    except ItemError as refused:
        error = (refused.code, refused.detail)
    except Exception:  # as in a worker: a bug that raises is no crash
        log.exception("item_broken")
        error = (UndecodableImage.code, UndecodableImage().detail)
    answer = {"said": said and list(said), "error": error, "width": width, "height": height}
    sys.stdout.buffer.write(orjson.dumps(answer))


if __name__ == "__main__":
    main()
