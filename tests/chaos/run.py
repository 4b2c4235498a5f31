"""One run: start the stack, learn the truth in peace, measure recovery, let the storm loose, then count."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.chaos import faults_plan, inside, orders, outside
from tests.chaos.client import Client, Violations
from tests.chaos.contents import Content, large, small
from tests.chaos.faults import Injector
from tests.chaos.folder import StorageFolder
from tests.chaos.receiver import Receiver
from tests.chaos.recovery import Recovery
from tests.chaos.sizes import Sizes
from tests.chaos.stack import ROOT, Plan, find_faketime
from tests.chaos.traffic import Traffic
from tests.chaos.watch import Watcher

START_S = 240.0
STOP_S = 90.0
CLIENT_PATIENCE_S = 240.0


class Run:
    """Everything that one run holds."""

    def __init__(self, seed: int, sizes: Sizes, home: Path, folder: StorageFolder) -> None:
        """Prepare a run in a folder of its own."""
        self.seed, self.sizes, self.home, self.folder = seed, sizes, home, folder
        self.violations, self.receiver = Violations(), Receiver()
        self.missing = dict(folder.missing)
        self.faketime = find_faketime()
        if not self.faketime:
            self.missing["clock_jump"] = "libfaketime is not installed (package faketime)"
        self.contents: dict[str, Content] = {}
        self.references: dict[str, list[inside.Row]] = {}
        self.times: dict[str, float] = {}
        self.urls: dict[str, Any] = {}

    async def go(self) -> dict[str, Any]:
        """Do it all; return the report."""
        say(f"seed {self.seed}, in {self.home}")
        for kind, why in self.missing.items():
            say(f"LEFT OUT: {kind}: {why}")
        await self.receiver.start()
        async with self._stack():
            say("everything is up")
            self.client = Client(self.urls["api"], self.violations, CLIENT_PATIENCE_S)
            self.watcher = Watcher(self.client, self.violations)
            more = large([size for size, _ in self.sizes.large])
            self.contents = {content.name: content for content in [*small(), *more]}
            self.traffic = Traffic(self.client, self.watcher, self.contents, self.violations)
            self.injector = Injector(self.home, self.urls, self.folder, self.receiver)
            watching = asyncio.create_task(self.watcher.run(self.sizes.looks_s))
            try:
                await self._phase("truth", self._learn())
                await self._phase("recovery", self._measure())
                await self._phase("storm", self._storm())
                await self._phase("drain", self._drain())
                watching.cancel()
                return await self._phase("checks", self._check())
            finally:
                watching.cancel()
                self.injector.thaw()
                self.injector.write(self.home / "faults.jsonl")
                (self.home / "violations.txt").write_text("\n".join(self.violations.found))
                await self.client.close()

    async def _phase(self, name: str, work: Any) -> Any:
        began = time.monotonic()
        result = await work
        self.times[name] = round(time.monotonic() - began, 1)
        say(f"{name}: {self.times[name]} s")
        return result

    async def _learn(self) -> None:
        """Submit each content once while nothing is broken; its results are the truth."""
        secret = (await self.client.call("GET", "/v1/webhooks/secret")).json()
        self.receiver.secret = secret["secret"]
        jobs = {name: await self._submit(name) for name in self.contents}
        await self.watcher.wait_for(jobs.values(), self.sizes.drain_s)
        inner = inside.Inside(self.urls["INKQUEUE_DATABASE_URL"], self.violations)
        self.references = {name: inner.rows(job) for name, job in jobs.items()}
        inner.close()

    async def _submit(self, name: str) -> str:
        send = orders.request(self.contents[name], {}, None)
        job: str = (await self.client.call("POST", "/v1/jobs", timeout_s=60.0, **send)).json()["id"]
        self.watcher.add(job)
        return job

    async def _measure(self) -> None:
        """Measure recovery, one fault at a time."""
        sizes, biggest = self.sizes, list(self.contents)[-1]
        feeding: list[str] = []

        async def feed() -> str:
            if not feeding or feeding[-1] not in self.watcher.open:
                feeding.append(await self._submit(biggest))
            return feeding[-1]

        self.recovery = Recovery(self.injector, self.urls["INKQUEUE_DATABASE_URL"], feed)
        await self.recovery.kills(sizes.kills)
        await self.recovery.postgres(sizes.postgres)
        for job in feeding:
            await self.client.call("POST", f"/v1/jobs/{job}/cancel")
            await self.watcher.ended(job)
        await self.recovery.redis(sizes.redis, 2.0, lambda: self._submit("zip of 25"), self.watcher.ended)

    async def _storm(self) -> None:
        sizes = self.sizes
        plan = faults_plan.draw(self.seed, sizes.faults, sizes.storm_s, sizes.lease_s, self.missing)
        big = [(f"zip of {size}", times) for size, times in sizes.large]
        drawn = orders.draw(self.seed, small(), big, sizes.jobs, sizes.storm_s, self.receiver.url)
        say(f"{len(plan)} faults and {len(drawn)} orders in {sizes.storm_s:.0f} s")
        beside = [
            asyncio.create_task(self.traffic.predict(sizes.predict_s)),
            asyncio.create_task(self.traffic.refusals(2 * sizes.predict_s)),
            asyncio.create_task(self._report_progress()),
        ]
        self.living = asyncio.create_task(self.traffic.run(drawn))
        try:
            await self.injector.run(plan)
        finally:
            for task in beside:
                task.cancel()
            self.injector.thaw()

    async def _drain(self) -> None:
        """Let everything end; nothing is broken any more."""
        progress = asyncio.create_task(self._report_progress())
        try:
            async with asyncio.timeout(self.sizes.drain_s):
                await self.living
        except TimeoutError:
            self.violations.add(
                f"after {self.sizes.drain_s} s of peace {len(self.watcher.open)} jobs are open"
            )
        finally:
            progress.cancel()

    async def _check(self) -> dict[str, Any]:
        records = list(self.traffic.records.values())
        inner = inside.Inside(self.urls["INKQUEUE_DATABASE_URL"], self.violations)
        settled = await asyncio.to_thread(inner.settle, self.sizes.drain_s)
        say(f"everything delivered, collected and purged after {settled:.1f} s")
        await asyncio.to_thread(inner.check_rows)
        counted = await asyncio.to_thread(inner.check_jobs, records, self.references)
        inner.check_keys(records)
        objects = inner.check_storage(self.folder.path)
        for path in self.folder.wrongly_stored():
            self.violations.add(f"stored although the folder was away: {path.name}")
        hooks = inner.check_webhooks(records, self.receiver)
        compared = await outside.check(
            self.client, records, self.references, self.violations, self.sizes.sample
        )
        done = [fault for fault in self.injector.done if fault.number]
        return {
            "seed": self.seed,
            "faults": sum(fault.landed for fault in done),
            "faults_missed": sum(not fault.landed for fault in done),
            "kinds": dict(sorted(Counter(fault.kind for fault in done if fault.landed).items())),
            "left_out": self.missing,
            "jobs": counted["jobs"],
            "items": counted["items"],
            "looks": self.watcher.looks,
            "compared_over_http": compared,
            "webhooks": hooks,
            "webhook_tries": self.receiver.tries,
            "objects": objects,
            "answers": dict(sorted(self.client.answers.items())),
            "actions": dict(sorted(self.traffic.counts.items())),
            "crashes_most": inner.one("SELECT max(crashes) FROM chunks"),
            "attempts_most": inner.one("SELECT max(attempt) FROM chunks"),
            "lease_s": self.sizes.lease_s,
            "recovery_s": self.recovery.figures(),
            "seconds": self.times,
            "violations": self.violations.found,
        }

    async def _report_progress(self) -> None:
        pause_s = max(5.0, self.sizes.storm_s / 60)
        began = time.monotonic()
        while True:
            await asyncio.sleep(pause_s)
            say(
                f"{time.monotonic() - began:6.0f} s  faults {len(self.injector.done)}  jobs "
                f"{len(self.traffic.records)} ({len(self.watcher.open)} open)  looks {self.watcher.looks}  "
                f"webhooks {len(self.receiver.delivered)}  violations {len(self.violations.found)}"
            )

    @asynccontextmanager
    async def _stack(self) -> AsyncIterator[None]:
        """Run the stack's process."""
        settings = {
            **self.sizes.settings,
            "INKQUEUE_STORAGE_URL": f"file://{self.folder.path}",
            "INKQUEUE_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{self.receiver.port}",
        }
        plan = Plan(str(self.home), faketime=self.faketime, durable=self.sizes.durable, settings=settings)
        plan.write(self.home / "plan.json")
        command = [sys.executable, "-m", "tests.chaos.stack", str(self.home / "plan.json")]
        log = self.home / "stack.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=environment()
            )
        try:
            self.urls = await started(process, self.home / "stack.json", log)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


async def started(process: subprocess.Popen[bytes], written: Path, log: Path) -> dict[str, Any]:
    """Wait for the stack's addresses.

    Raises:
        RuntimeError: it does not start.
    """
    end = time.monotonic() + START_S
    while not written.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the stack did not start:\n{log.read_text()[-4000:]}")
        await asyncio.sleep(0.1)
    found: dict[str, Any] = json.loads(written.read_text())
    return found


def environment() -> Mapping[str, str]:
    """Return our environment without settings of a service that somebody runs here."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INKQUEUE_")}


def run(seed: int, sizes: Sizes) -> dict[str, Any]:
    """Run in a new folder; it is kept when something was violated."""
    home = Path(tempfile.mkdtemp(prefix=f"inkqueue-chaos-{seed}-"))
    home.chmod(0o711)  # as root the database's own user must pass through
    folder = StorageFolder(home / "disk", sizes.disk_mib)
    one = Run(seed, sizes, home, folder)
    try:
        report = asyncio.run(one.go())
    except Exception as error:  # whatever it is, the logs are kept and the seed is told
        traceback.print_exc()
        report = {"seed": seed, "violations": [*one.violations.found, f"{type(error).__name__}: {error}"]}
    finally:
        folder.close()
    if report["violations"]:
        say(f"seed {seed}: logs are kept in {home}")
        report["logs"] = str(home)
    else:
        remove(home, one.urls)
    return report


def remove(home: Path, urls: Mapping[str, Any]) -> None:
    """Remove the folder and what PostgreSQL has elsewhere."""
    for path in [home, *map(Path, urls.get("folders", []))]:
        with contextlib.suppress(OSError):
            shutil.rmtree(path)


def say(text: str) -> None:
    """Print a line at once, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
