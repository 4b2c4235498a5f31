"""What the machine can do at most: the same package and engine in plain processes, without queue and rows."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from shared.archive import read_directory
from shared.errors import ItemError
from shared.manifest import ManifestBuilder, read_slice
from shared.members import read_members
from shared.packages import find_packages, resolve
from shared.settings import Settings
from shared.sources import BytesSource
from shared.vision import Prepared, decode, prepare
from worker.engines import classify, load_engine


@contextmanager
def limit_processes(count: int, archive: Path) -> Iterator[list[Connection]]:
    """Start processes with loaded models; each answers a message by reading its share of the zip."""
    context = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"
    pairs = [context.Pipe() for _ in range(count)]
    processes = [
        context.Process(target=serve, args=(inner, archive, number, count), daemon=True)
        for number, (_, inner) in enumerate(pairs)
    ]
    for process in processes:
        process.start()
    ends = [outer for outer, _ in pairs]
    try:
        for end in ends:
            end.recv()
        yield ends
    finally:
        for end in ends:
            end.send("stop")
        for process in processes:
            process.join(10)


def measure_limit(ends: list[Connection]) -> float:
    """Let all processes read their shares at once; return images a second."""
    began = time.perf_counter()
    for end in ends:
        end.send("go")
    images = sum(end.recv() for end in ends)
    return float(images / (time.perf_counter() - began))


def serve(end: Connection, archive: Path, share: int, shares: int) -> None:
    """Load the model, say so, then read the share whenever asked."""
    settings = Settings()
    package = resolve(find_packages(settings.model_dirs), settings.default_model)
    engine = load_engine(
        package, engine=settings.engine, device=settings.device, threads=settings.worker_threads
    )
    preparation = package.card["preparation"]
    end.send("ready")
    while end.recv() == "go":
        source = BytesSource(archive.read_bytes())
        builder = ManifestBuilder()
        builder.extend_directory(0, read_directory(source))
        edges = np.linspace(0, len(builder), shares + 1).astype(int)
        part = read_slice(builder.build(), int(edges[share]), int(edges[share + 1]))
        waiting: list[Prepared] = []
        images = 0
        for _, data in read_members({0: source}, part, settings):
            if data is None or isinstance(data, ItemError):
                continue
            pixels = decode(data, max_pixels=settings.max_image_pixels).pixels
            waiting.append(prepare(pixels, **preparation, shape=package.shape))
            if len(waiting) == settings.batch_size:
                images += len(classify(package, engine, waiting).prediction)
                waiting = []
        if waiting:
            images += len(classify(package, engine, waiting).prediction)
        end.send(images)
