"""Logs: one line per event, JSON or plain, each with its correlation id and never with patient text (safety rule 9).

``log_event`` takes a stable code and values from a closed list of names: ids of ours, codes, counts, times. An
exception is logged by its type and the place it came from; its message, which may quote what it choked on, is not.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, TextIO

SafeValue = str | int | float | bool | None

ROOT: Final = "smart_app"
_EVENT: Final = "smart_screening_event"
_LONGEST: Final = 200
_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)

SAFE_NAMES: Final = frozenset(
    {
        "action", "address", "alert_id", "approval_id", "attempt", "clock_difference_s", "code", "count",
        "duration_ms", "ehr_id", "endpoint", "environment", "error", "field", "http_method", "http_status",
        "instrument_id", "kind", "launch_id", "mac", "method", "outcome", "profile", "reason_code", "request_bytes",
        "resource_type", "response_bytes", "route", "row_id", "screening_id", "seq", "setting", "state", "version",
        "worker",
    }
)  # fmt: skip
"""What a log line may hold beside time, level, logger, code and correlation id."""


def get_logger(name: str) -> logging.Logger:
    """Give the logger of one module."""
    return logging.getLogger(name)


@contextmanager
def correlation(correlation_id: str) -> Iterator[None]:
    """Mark everything logged and audited inside with one id (an inner one goes first)."""
    token = _correlation_id.set(correlation_id)
    try:
        yield
    finally:
        _correlation_id.reset(token)


def find_correlation_id() -> str | None:
    """Give the id of the request or job in hand, None outside of one."""
    return _correlation_id.get()


def log_event(logger: logging.Logger, code: str, *, level: int = logging.INFO, **safe: SafeValue) -> None:
    """Log one event. ``safe`` names come from SAFE_NAMES; any other is a programming error (ValueError)."""
    if unknown := sorted(safe.keys() - SAFE_NAMES):
        raise ValueError(f"not a name that a log line may hold: {unknown[0]}")
    logger.log(level, code, extra={_EVENT: safe})


def log_failure(logger: logging.Logger, code: str, error: BaseException, **safe: SafeValue) -> None:
    """Log an unexpected exception: its type and code, and the lines it passed through; never its message."""
    logger.error(
        code,
        extra={_EVENT: {"error": type(error).__name__, "code": getattr(error, "code", None), **safe}},
        exc_info=(type(error), error, error.__traceback__),
    )


def set_up_logs(form: Literal["json", "plain"], level: str, stream: TextIO | None = None) -> None:
    """Send everything to one stream (stderr). Libraries are heard from WARNING on, by their place in the code alone."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else PlainLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in (ROOT, "launch"):
        logging.getLogger(name).setLevel(level)


def log_crashes() -> None:
    """Log what ends this process or one of its threads as any other failure; Python's own hooks print its words."""

    def log_crash(error: BaseException | None) -> None:
        if error is not None:
            log_failure(get_logger(ROOT), "crashed", error)

    sys.excepthook = lambda _kind, error, _trace: log_crash(error)
    threading.excepthook = lambda crash: log_crash(crash.exc_value)
    logging.captureWarnings(capture=True)


class SafeLines(logging.Formatter):
    """Gives a record as a mapping of what may be told.

    Of a record that did not come through ``log_event`` (a library's) only its place in the code is told: its words may
    be anything.
    """

    def values(self, record: logging.LogRecord) -> dict[str, SafeValue | list[str]]:
        """Collect time, level, logger, event, correlation id, the safe values, and where an exception passed."""
        values: dict[str, SafeValue | list[str]] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if (correlation_id := find_correlation_id()) is not None:
            values["correlation_id"] = correlation_id
        event = getattr(record, _EVENT, None)
        if isinstance(event, dict):
            values["event"] = str(record.msg)
            values.update({name: _shorten(value) for name, value in event.items() if value is not None})
        else:
            values["event"] = "library-message"
            values["place"] = f"{record.filename}:{record.lineno} {record.funcName}"
        if record.exc_info and record.exc_info[0] is not None:
            values["error"] = record.exc_info[0].__name__
            values["trace"] = _places(record.exc_info[2])
        return values


class JsonLines(SafeLines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        return json.dumps(self.values(record), ensure_ascii=True)


class PlainLines(SafeLines):
    """For people: time, level, event, then name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        values = self.values(record)
        first = [str(values.pop(name)) for name in ("time", "level", "event")]
        return " ".join([*first, *(f"{name}={json.dumps(value)}" for name, value in values.items())])


def _shorten(value: SafeValue) -> SafeValue:
    return value[:_LONGEST] if isinstance(value, str) else value


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
