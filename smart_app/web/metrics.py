"""Counts for /metrics in the Prometheus text format 0.0.4: routes, statuses and refusal codes, nothing of patients.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ . Per process; a scraper adds processes up.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

from flask import Flask, Response, g, request

from smart_app.logs import get_logger, log_event

_log = get_logger(__name__)
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Thread-safe counters of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._refusals: Counter[str] = Counter()
        self._slower: Counter[float] = Counter()
        self._seconds = 0.0

    def install(self, app: Flask) -> None:
        """Count and log every request of an app, by route: an address has ids in it."""

        @app.before_request
        def start_clock() -> None:
            g.started = time.perf_counter()

        @app.after_request
        def count(response: Response) -> Response:
            seconds = time.perf_counter() - g.get("started", time.perf_counter())
            endpoint = request.endpoint or "none"
            self.count_request(endpoint, request.method, response.status_code, seconds)
            status, duration_ms = response.status_code, round(seconds * 1000)
            log_event(_log, "request", endpoint=endpoint, http_status=status, duration_ms=duration_ms)
            return response

    def count_request(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count one answer and how long it took."""
        known = method if method in {"GET", "POST", "HEAD", "OPTIONS"} else "other"
        with self._lock:
            self._requests[endpoint, known, status] += 1
            self._seconds += seconds
            self._slower.update(limit for limit in _BUCKETS if seconds <= limit)

    def count_refusal(self, code: str) -> None:
        """Count one refusal by its stable code."""
        with self._lock:
            self._refusals[code] += 1

    def render(self) -> str:
        """Give the exposition text."""
        with self._lock:
            total = sum(self._requests.values())
            lines = [
                "# HELP smart_screening_requests_total Answers by route, method and status.",
                "# TYPE smart_screening_requests_total counter",
                *(
                    f'smart_screening_requests_total{{endpoint="{where}",method="{method}",status="{status}"}} {count}'
                    for (where, method, status), count in sorted(self._requests.items())
                ),
                "# HELP smart_screening_refusals_total Refusals by code.",
                "# TYPE smart_screening_refusals_total counter",
                *(f'smart_screening_refusals_total{{code="{code}"}} {n}' for code, n in sorted(self._refusals.items())),
                "# HELP smart_screening_request_seconds Time to an answer.",
                "# TYPE smart_screening_request_seconds histogram",
                *(f'smart_screening_request_seconds_bucket{{le="{le}"}} {self._slower[le]}' for le in _BUCKETS),
                f'smart_screening_request_seconds_bucket{{le="+Inf"}} {total}',
                f"smart_screening_request_seconds_sum {self._seconds:.6f}",
                f"smart_screening_request_seconds_count {total}",
            ]
        return "\n".join(lines) + "\n"
