"""Counts requests for the rate limits, in this process, by fixed windows (a storage of the library ``limits``).

Its own memory storage starts a thread for each request, to forget what is over, and keeps any number of keys; this one
forgets when it counts, and keeps a bounded number.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from limits.storage import Storage

MOST_KEYS = 20_000


class RequestCounts(Storage):
    """Counts by key until each window ends. Thread-safe."""

    STORAGE_SCHEME = ["request-counts"]  # noqa: RUF012  # the base class declares it as one of the instance

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **_options: str) -> None:
        super().__init__(uri, wrap_exceptions)
        self._lock = threading.Lock()
        # Key to count and end of its window, the window that began first in front.
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        """Give what a failing storage raises: memory does not fail."""
        return MemoryError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count; ``expiry``: seconds of a window that begins now where none runs. Give the count."""
        now = time.time()
        with self._lock:
            count, ends_at = self._windows.get(key, (0, 0.0))
            if ends_at <= now:
                count, ends_at = 0, now + expiry
                self._windows.pop(key, None)
            self._windows[key] = (count + amount, ends_at)
            self._forget(now)
            return count + amount

    def get(self, key: str) -> int:
        """Give the count of the window that runs, 0 where none does."""
        with self._lock:
            count, ends_at = self._windows.get(key, (0, 0.0))
        return count if ends_at > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Give when the window ends, as seconds of the epoch; now where none runs."""
        with self._lock:
            return max(self._windows.get(key, (0, 0.0))[1], time.time())

    def check(self) -> bool:
        """Tell that it works."""
        return True

    def reset(self) -> int:
        """Forget all; give how many there were."""
        with self._lock:
            number = len(self._windows)
            self._windows.clear()
        return number

    def clear(self, key: str) -> None:
        """Forget one."""
        with self._lock:
            self._windows.pop(key, None)

    def _forget(self, now: float) -> None:
        """Drop, from the front, windows that are over, and those over the bound: at most a few at each count."""
        while self._windows:
            key, (_, ends_at) = next(iter(self._windows.items()))
            if ends_at > now and len(self._windows) <= MOST_KEYS:
                return
            del self._windows[key]
