"""What the app logs, as it logs it: set up by the product itself, at its most talkative."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from smart_app.logs import set_up_logs


@dataclass(frozen=True, slots=True)
class CapturedLog:
    """The log stream of one block."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        """Everything logged."""
        return self.stream.getvalue()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of one event, oldest first."""
        return [line for line in map(json.loads, self.text.splitlines()) if line["event"] == name]


@contextmanager
def captured_log() -> Iterator[CapturedLog]:
    """Send the log into memory for as long as the block lasts."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    log = CapturedLog()
    set_up_logs("json", "DEBUG", log.stream)
    try:
        yield log
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        for name in ("smart_app", "launch"):
            logging.getLogger(name).setLevel(logging.NOTSET)
