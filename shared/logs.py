"""Structured logs: one JSON object a line (or colours for people), with the ids that are bound to the context."""

from __future__ import annotations

import logging
import sys
from uuid import UUID

import structlog


def configure_logs(level: str = "INFO", form: str = "json") -> None:
    """Set up structlog and route the standard library's loggers through it.

    Args:
        level: name of the lowest level that is written.
        form: `json` or `console`.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _one_spelling,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if form == "console" else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # it warns of every byte that a stranger's form has wrong; the answer says so already
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace that a request belongs to (W3C trace context, section 3.2.2.3)."""
    return traceparent.split("-")[1] if traceparent else None


def _one_spelling(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Write the id of a job as clients know it, whoever logs it, and leave out ids that are not known."""
    if "job" in event:
        job = event["job"]
        event["job"] = [_job(one) for one in job] if isinstance(job, list) else _job(job)
    for name in ("job", "request_id", "trace_id"):
        if name in event and event[name] is None:
            del event[name]
    return event


def _job(job: object) -> object:
    """Return the id of one job with its prefix."""
    text = job.hex if isinstance(job, UUID) else job
    return f"job_{text}" if isinstance(text, str) and not text.startswith("job_") else text


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; its calls are `log.info("event_name", job=…, chunk=…)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
