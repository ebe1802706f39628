"""How many refusals of people whom nobody knows go into the audit: so many a minute (design section 6, "Audit").

Anybody can be refused, as often as they like; the audit is a chain that every change of a record must wait for. What is
over the bound is in the log alone, and the next row that is written says how many those were.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

_WINDOW = timedelta(minutes=1)


class RefusalBudget:
    """The budget of one process; thread-safe. ``most``: rows a minute."""

    def __init__(self, *, most: int = 60) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._window_ends: datetime | None = None
        self._spent = 0
        self._left_out = 0

    def spend(self, now: datetime) -> int | None:
        """Give how many were left out since the last row, None where this one is to be left out as well."""
        with self._lock:
            if self._window_ends is None or now >= self._window_ends:
                self._window_ends, self._spent = now + _WINDOW, 0
            if self._spent >= self._most:
                self._left_out += 1
                return None
            self._spent += 1
            left_out, self._left_out = self._left_out, 0
            return left_out
