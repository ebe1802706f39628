"""Static files under names that hold the hash of their content: cached for ever, and sent gzipped.

Only static files are compressed. A page is not: beside secrets of ours it holds text that others chose, and the size
of the two compressed together would tell about the secret (BREACH, CVE-2013-3587).
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass, field
from importlib import resources

from flask import Blueprint, Response, abort, request, url_for

_FILES = ("app.css", "form.js", "home.js", "review.js", "icon.svg")
_FOREVER = "public, max-age=31536000, immutable"

static = Blueprint("static", __name__, static_folder=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file as it is sent. ``path`` is its fingerprinted name ("app-1f2e3d4c5b6a.css")."""

    path: str
    media_type: str
    body: bytes = field(repr=False)
    gzipped: bytes = field(repr=False)


def _load(name: str) -> Asset:
    body = resources.files("smart_app.web").joinpath("static", name).read_bytes()
    stem, _, extension = name.rpartition(".")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(
        path=f"{stem}-{hashlib.sha256(body).hexdigest()[:12]}.{extension}",
        media_type=media_type,
        body=body,
        gzipped=gzip.compress(body, 9, mtime=0),
    )


_BY_NAME = {name: _load(name) for name in _FILES}
_BY_PATH = {asset.path: asset for asset in _BY_NAME.values()}


def asset_url(name: str) -> str:
    """Give the URL of a static file by its plain name. Raises: KeyError, a template's mistake."""
    return url_for("static.file", path=_BY_NAME[name].path)


@static.get("/static/<path>", endpoint="file")
def send_file(path: str) -> Response:
    """Send a static file; an unknown or outdated name is not found."""
    asset = _BY_PATH.get(path)
    if asset is None:
        abort(404)
    zipped = request.accept_encodings["gzip"] > 0
    response = Response(asset.gzipped if zipped else asset.body, content_type=f"{asset.media_type}; charset=utf-8")
    response.headers["Cache-Control"] = _FOREVER
    response.headers["Vary"] = "Accept-Encoding"
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    return response
