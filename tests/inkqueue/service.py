"""A small inkqueue service in one process: real HTTP, real uploads, faults on order.

It speaks the contract as far as the client uses it. Every file of a submission is an item, every member of a
zip too; a name with `bad` in it fails, one that ends in `.txt` is skipped, all else reads as "7".
"""

from __future__ import annotations

import io
import json
import socket
import struct
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from python_multipart import parse_form

from tests.inkqueue.memory import FakeJob, FakeService, Seen, item_of


class Handler(BaseHTTPRequestHandler):
    """Answers requests from the service's memory."""

    protocol_version = "HTTP/1.1"
    service: ClassVar[FakeService]
    mute = False

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def answer(self) -> None:
        """Read the request, let a fault have it, else route it."""
        self.mute = False
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.request_seen = Seen(
            self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()), body
        )
        self.service.seen.append(self.request_seen)
        if self.service.faults and self.service.faults.popleft()(self):
            return
        match [self.command, *parts.path.strip("/").split("/")]:
            case ["POST", "v1", "jobs"]:
                self._submit()
            case ["GET", "v1", "jobs"]:
                self._list()
            case ["POST", "v1", "predict"]:
                self._predict()
            case ["GET", "v1", "models"]:
                self.send_json(
                    200, {"items": [{"name": "digits", "version": "1.0.0", "labels": list("0123456789")}]}
                )
            case ["GET", "v1", "workers"]:
                self.send_json(
                    200, {"items": [{"lane": "bulk", "device": "cpu", "models": ["digits@1.0.0"]}]}
                )
            case ["GET", "readyz"]:
                checks = {"database": "ok", "broker": "ok" if self.service.ready else "no answer"}
                if self.service.ready:
                    self.send_json(200, {"status": "ok", "checks": checks})
                else:
                    self.problem(503, "unavailable", checks=checks)
            case [method, "v1", "jobs", job_id, *rest] if job_id in self.service.jobs:
                self._job(method, self.service.jobs[job_id], rest)
            case _:
                self.problem(404, "not_found")

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the base class's names

    def send_json(self, status: int, document: object, kind: str = "application/json") -> None:
        """Answer with a document, or lose the answer if that was ordered."""
        self.send_whole(status, json.dumps(document).encode(), kind)

    def send_whole(
        self, status: int, content: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with content of known length."""
        if self.mute:
            self.reset()
            return
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def problem(
        self, status: int, code: str, headers: Mapping[str, str] | None = None, **extra: object
    ) -> bool:
        """Answer with a problem document."""
        retryable = status in {429, 503}
        document = {"title": code, "status": status, "detail": f"It is {code}.", "code": code}
        document |= {"request_id": "req-1", "retryable": retryable, "errors": [], **extra}
        self.send_whole(status, json.dumps(document).encode(), "application/problem+json", headers)
        return True

    def reset(self) -> bool:
        """Break the connection as a crashed service does: RST, no FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        for stream in (self.rfile, self.wfile, self.connection):
            stream.close()
        self.wfile = io.BytesIO()
        return True

    def _submit(self) -> None:
        key = self.headers.get("Idempotency-Key", "")
        names, options = self._files()
        if self.request_seen.query.get("dry_run") == "true":
            skipped = [{"name": name, "reason": "not an image"} for name in names if name.endswith(".txt")]
            self.send_json(200, {"total": len(names), "skipped": skipped, "refused": []})
            return
        if key not in self.service.keys:
            self.service.keys[key] = self.service.add_job(names, options).id
        self.send_json(202, self.service.jobs[self.service.keys[key]].document())

    def _files(self) -> tuple[list[str], Mapping[str, str]]:
        """Return the names of the items and the options."""
        seen, kind = self.request_seen, self.headers["Content-Type"]
        if not kind.startswith("multipart/"):
            disposition = Message()
            disposition["Content-Disposition"] = self.headers["Content-Disposition"]
            return _members(disposition.get_filename("upload"), seen.body), seen.query
        names: list[str] = []
        options: dict[str, str] = {}

        def on_field(one: Any) -> None:
            options[one.field_name.decode()] = one.value.decode()

        def on_file(one: Any) -> None:
            one.file_object.seek(0)
            names.extend(_members(one.file_name.decode(), one.file_object.read()))
            one.close()

        parse_form({"Content-Type": kind.encode()}, io.BytesIO(seen.body), on_field, on_file)
        return names, options

    def _predict(self) -> None:
        if b"broken" in self.request_seen.body:
            self.problem(422, "undecodable_image")
            return
        model = {"name": "digits", "version": "1.0.0", "sha256": "ab" * 32}
        self.send_json(200, item_of(0, "image") | {"model": model, "job_id": "job_" + "f" * 32})

    def _list(self) -> None:
        jobs, query = list(reversed(self.service.jobs.values())), self.request_seen.query
        jobs = [job for job in jobs if job.status == query.get("status", job.status)]
        part = query.get("search", "").lower()
        jobs = [job for job in jobs if part in str(job.document()["name"] or "").lower()]
        start, limit = int(query.get("cursor", 0)), min(int(query.get("limit", 50)), self.service.page_size)
        following = str(start + limit) if start + limit < len(jobs) else None
        page = [job.document() for job in jobs[start : start + limit]]
        self.send_json(200, {"items": page, "next_cursor": following})

    def _job(self, method: str, job: FakeJob, rest: list[str]) -> None:
        match [method, *rest]:
            case ["GET"]:
                job.step()
                self.send_json(200, job.document())
            case ["GET", "events"]:
                self._events(job)
            case ["GET", "results"]:
                self._results(job)
            case ["GET", "summary"]:
                self.send_json(
                    200, {"counts": job.document()["counts"], "by_prediction": {"7": len(job.items)}}
                )
            case ["GET", "items", seq]:
                self.send_json(200, job.items[int(seq)])
            case ["POST", "cancel"]:
                job.script, job.version = ["canceled"], 0
                self.send_json(202, job.document())
            case ["POST", "retry"]:
                failed = [item["name"] for item in job.items if item["status"] == "failed"]
                if failed:
                    self.send_json(202, self.service.add_job(failed).document())
                else:
                    self.problem(409, "nothing_to_retry")
            case ["DELETE"]:
                del self.service.jobs[job.id]
                self.send_whole(204, b"", "text/plain")
            case _:
                self.problem(404, "not_found")

    def _events(self, job: FakeJob) -> None:
        """Stream states from the version after Last-Event-ID on; close after so many events."""
        if not self.service.streams_events:
            self.problem(503, "unavailable")
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.headers.get("Last-Event-ID") == str(job.version):
            job.step()
        for _ in range(self.service.events_per_stream):
            kind = "job.completed" if job.done else "job.progress"
            event = f"event: {kind}\nid: {job.version}\ndata: {json.dumps(job.document())}\n\n"
            try:
                self.wfile.write(b": awake\n\n" + event.encode())
                self.wfile.flush()
            except OSError:
                return
            if job.done:
                return
            before = job.version
            job.step()
            if job.version == before:
                self._stay_silent()
                return

    def _stay_silent(self) -> None:
        """Keep the stream open until the client leaves it."""
        self.connection.settimeout(10)
        try:
            self.connection.recv(1)
        except OSError:
            return

    def _results(self, job: FakeJob) -> None:
        query = self.request_seen.query
        if query.get("format", "json") != "json":
            self._export(job, query["format"])
            return
        after, limit = int(query.get("after_seq", -1)), min(int(query["limit"]), self.service.page_size)
        ready = len(job.items) if job.done else min(len(job.items), 2 * (job.version + 1))
        job.step()
        looked_at = job.items[after + 1 : min(after + 1 + limit, ready)]
        wanted = [item for item in looked_at if item["status"] == query.get("status", item["status"])]
        last = looked_at[-1]["seq"] if looked_at else after
        complete = last == len(job.items) - 1
        page = {"items": wanted, "next_after_seq": None if complete else last, "complete": complete}
        self.send_json(200, page)

    def _export(self, job: FakeJob, form: str) -> None:
        """Answer with a whole file, cut off in the middle if that was ordered."""
        lines = [f"{item['seq']},{item['name']},{item['prediction'] or ''}" for item in job.items]
        content = "\r\n".join(["seq,name,prediction", *lines, ""]).encode()
        if form == "ndjson":
            content = b"".join(json.dumps(item).encode() + b"\n" for item in job.items)
        if not self.service.cut_export_at:
            self.send_whole(200, content, "text/csv")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.service.cut_export_at.popleft()])
        self.close_connection = True


def _members(name: str, content: bytes) -> list[str]:
    """Return the items of one file."""
    if not content.startswith(b"PK"):
        return [name]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.namelist()


class _Server(ThreadingHTTPServer):
    """A server that takes it calmly when clients leave in the middle."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Print what is a defect of the fake."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # passed on as it came


@contextmanager
def running_service() -> Iterator[FakeService]:
    """Run a service on a free port of the loopback."""
    service = FakeService()
    handler = type("BoundHandler", (Handler,), {"service": service})
    server = _Server(("127.0.0.1", 0), handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
