"""The floor: the same redirects as a launch and one static page, from a bare WSGI app under the same server.

Started as `gunicorn bench.floor:app`. `FLOOR_AUTHORIZE` is the EHR's authorize address with all parameters but
`launch`; `FLOOR_PAGE` is the file to serve as the page.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

AUTHORIZE = os.environ.get("FLOOR_AUTHORIZE", "")
PAGE = Path(os.environ["FLOOR_PAGE"]).read_bytes() if "FLOOR_PAGE" in os.environ else b"<!doctype html><title>-</title>"


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer /launch with the way to the EHR, /callback with the way to the page, and the page."""
    path = environ["PATH_INFO"]
    if path == "/launch":
        launch = parse_qs(environ.get("QUERY_STRING", "")).get("launch", [""])[0]
        start_response("302 Found", [("Location", f"{AUTHORIZE}&launch={launch}"), ("Content-Length", "0")])
        return [b""]
    if path == "/callback":
        start_response("302 Found", [("Location", "/page"), ("Content-Length", "0")])
        return [b""]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]
