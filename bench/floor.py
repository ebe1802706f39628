"""The floor: the same redirects as a launch and one static page, from a bare WSGI app under the same server.

Started as `gunicorn bench.floor:app`. `FLOOR_AUTHORIZE` is the EHR's authorize address with all parameters but
`launch`; `FLOOR_PAGE` is the file to serve as the page, `FLOOR_ASSETS` the folder of what the page refers to.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

AUTHORIZE = os.environ["FLOOR_AUTHORIZE"]
PAGE = Path(os.environ["FLOOR_PAGE"]).read_bytes()
ASSETS = {f"/static/{path.name}": path.read_bytes() for path in Path(os.environ["FLOOR_ASSETS"]).iterdir()}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer /launch with the way to the EHR, /callback with the way to the page, and the page."""
    path = environ["PATH_INFO"]
    if path == "/launch":
        launch = parse_qs(environ.get("QUERY_STRING", "")).get("launch", [""])[0]
        return _redirect(f"{AUTHORIZE}&launch={launch}", start_response)
    if path == "/callback":
        return _redirect("/page", start_response)
    body, content_type = PAGE, "text/html; charset=utf-8"
    if path in ASSETS:
        body, content_type = ASSETS[path], mimetypes.guess_type(path)[0] or "application/octet-stream"
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


def _redirect(location: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("302 Found", [("Location", location), ("Content-Length", "0")])
    return [b""]
