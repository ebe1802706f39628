"""One complete HTTP answer, as middleware holds it."""

from __future__ import annotations

from dataclasses import dataclass

from werkzeug.datastructures import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer in full. status: with its reason, as WSGI wants it."""

    status: str
    headers: Headers
    body: bytes
