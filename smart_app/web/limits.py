"""Rate limits count per launch, not per address: a hospital is one address (design section 7, "Sessions")."""

from __future__ import annotations

import hashlib

from flask import Flask, request
from flask_limiter import Limiter

from smart_app.web.cookies import find_launch_id
from smart_app.web.request_counts import RequestCounts


def set_up_limits(app: Flask, rate: str) -> None:
    """Limit each launch to ``rate`` ("600 per minute"), and each way in by the launch that it names."""
    storage = f"{RequestCounts.STORAGE_SCHEME[0]}://"
    limiter = Limiter(_subject, app=app, default_limits=[rate], storage_uri=storage, headers_enabled=False)
    limiter.request_filter(_is_free)


def _subject() -> str:
    launch_id = find_launch_id(request.path)
    if launch_id is not None:
        return f"launch:{launch_id}"
    named = request.args.get("launch") or request.args.get("state") or request.path
    return f"start:{hashlib.sha256(named.encode()).hexdigest()[:24]}"


def _is_free() -> bool:
    return request.blueprint in {"static", "it"}
