"""Measure throughput, latency and the queue on a fresh local stack, and print what README quotes."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TypedDict

from benchmarks.latency import Latency, measure_latency
from benchmarks.pictures import make_zip, png, samples
from benchmarks.preparation import NEWEST, Preparation, measure_preparation
from benchmarks.queue import Queue, measure_queue
from benchmarks.service import running_service
from benchmarks.throughput import Throughput, measure_throughput


class Report(TypedDict):
    """All figures of one run of the benchmarks."""

    machine: str
    throughput: Throughput
    latency: list[Latency]
    queue: Queue
    preparation: list[Preparation]


def measure(options: argparse.Namespace) -> Report:
    """Make the load, start the stack, measure everything."""
    one_by_one = [png(sample.pixels) for sample in samples()][:100]
    with tempfile.TemporaryDirectory(prefix="inkqueue-bench-") as folder:
        archive = Path(folder) / "digits.zip"
        archive.write_bytes(make_zip(options.images, options.data_dir))
        with running_service(options.workers) as service:
            latency = [
                measure_latency(service, one_by_one, clients, options.requests) for clients in options.clients
            ]
            throughput = measure_throughput(service, archive, options.runs, options.workers)
            queue = measure_queue(service)
    return {
        "machine": machine(),
        "throughput": throughput,
        "latency": latency,
        "queue": queue,
        "preparation": measure_preparation(),
    }


def machine() -> str:
    """Describe the machine in a few words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(": ")[2] if lines else model
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


def text(report: Report) -> str:
    """Return the figures for people."""
    speed, queue = report["throughput"], report["queue"]
    lines = [
        f"machine              {report['machine']}",
        f"zip of {speed['images']:,} PNGs   POST to committed rows, {speed['processes']} workers:"
        f" {speed['median']:,} images/s (median of {len(speed['runs'])}: {listed(speed['runs'])})",
        f"limit                same package and engine, {speed['processes']} plain processes, no queue:"
        f" {speed['limit']:,} images/s ({listed(speed['limits'])})",
        f"ratio                {speed['ratio']:.2f}",
        f"accuracy             {speed['accuracy']:.2%}, every item once and in order",
    ]
    lines += [
        f"predict              {one['concurrency']} client(s):"
        f" p50 {one['p50_ms']} ms, p95 {one['p95_ms']} ms, p99 {one['p99_ms']} ms, {one['per_s']:g}/s"
        for one in report["latency"]
    ]
    commits = ", ".join(f"{size} items {took} ms" for size, took in queue["commit_ms"].items())
    lines.append(
        f"queue                submit {queue['submit_ms']} ms, claim {queue['claim_ms']} ms, commit {commits}"
    )
    lines += [
        f"preparation          {one['picture']}: digits@1 {one['first_ms']:g} ms,"
        f" digits@{NEWEST} {one['newest_ms']:g} ms, ratio {one['newest_ms'] / one['first_ms']:.2f}"
        for one in report["preparation"]
    ]
    return "\n".join(lines)


def listed(numbers: list[float]) -> str:
    """Join figures."""
    return ", ".join(f"{number:,.0f}" for number in numbers)


def arguments(given: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="pictures in the zip")
    parser.add_argument("--runs", type=int, default=5, help="measured submissions")
    parser.add_argument("--workers", type=int, default=2, help="bulk workers, and processes of the limit")
    parser.add_argument("--requests", type=int, default=400, help="single images at each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="numbers of clients at once")
    parser.add_argument("--data-dir", type=Path, help="folder with MNIST's t10k-*.gz, instead of the samples")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(given)


def main() -> None:
    """Measure and print."""
    options = arguments(sys.argv[1:])
    report = measure(options)
    sys.stdout.write((json.dumps(report, indent=2) if options.json else text(report)) + "\n")


if __name__ == "__main__":
    main()
