"""Cached reading of an EHR's small public documents: ETag and Cache-Control (HTTP caching, RFC 9111).

Used for the SMART configuration, the CapabilityStatement and the JWKS. A document is fresh for its `max-age`, at
least one minute and at most a day, ten minutes where nothing is said; after that it is asked for with
`If-None-Match`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from launch.transport import HttpResponse, Limits, Transport

T = TypeVar("T")

SHORTEST, USUAL, LONGEST = timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=24)
# An EHR may name a new style address at each launch: the cache stays small whatever it does.
_MOST_ENTRIES = 500
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,10})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    document: Any
    etag: str | None
    fresh_until: datetime


class DocumentCache:
    """Parsed documents of this process, by EHR and address. Thread-safe; a failed fetch is never kept."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._lock = threading.Lock()

    def fetch(
        self,
        url: str,
        parse: Callable[[HttpResponse], T],
        *,
        transport: Transport,
        limits: Limits,
        accept: str,
        now: datetime,
        refetch: bool = False,
    ) -> T:
        """Return the parsed document, from the cache while fresh. `refetch` asks the server whatever the cache says.

        Raises TransportError, and whatever `parse` raises for a status or a body it cannot use.
        """
        key = (transport.ehr.id, url)
        with self._lock:
            entry = self._entries.get(key)
        if entry is not None and now < entry.fresh_until and not refetch:
            document: T = entry.document
            return document
        headers = {"Accept": accept}
        if entry is not None and entry.etag is not None:
            headers["If-None-Match"] = entry.etag
        response = transport.get(url, headers=headers, limits=limits, conditional="If-None-Match" in headers)
        if response.status == 304 and entry is not None:
            parsed: T = entry.document
            etag = entry.etag
        else:
            parsed, etag = parse(response), response.headers.get("ETag")
        with self._lock:
            if len(self._entries) >= _MOST_ENTRIES:
                del self._entries[min(self._entries, key=lambda kept: self._entries[kept].fresh_until)]
            self._entries[key] = _Entry(document=parsed, etag=etag, fresh_until=now + _lifetime(response))
        return parsed


def _lifetime(response: HttpResponse) -> timedelta:
    directives = response.headers.get("Cache-Control", "").lower()
    if "no-store" in directives or "no-cache" in directives:
        return SHORTEST
    found = _MAX_AGE.search(directives)
    if found is None:
        return USUAL
    return min(max(timedelta(seconds=int(found.group(1))), SHORTEST), LONGEST)
