"""Warn at start of files that hold what is secret and that others than the app may read (OWASP ASVS 5.0, 13.3.2)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from smart_app.logs import get_logger, log_event
from smart_app.settings import Settings

_log = get_logger(__name__)


def warn_of_open_files(settings: Settings) -> None:
    """Log a warning for the database file and for each secret's file that group or world may read or write.

    Key files are refused outright where they are read. A secret that an orchestrator mounts may be readable by all in
    its container, hence only a warning.
    """
    if os.name != "posix":
        return
    for setting, path in _secret_paths(settings):
        if path.exists() and path.stat().st_mode & 0o077:
            log_event(_log, "file-readable-by-others", level=logging.WARNING, setting=setting)


def _secret_paths(settings: Settings) -> Iterator[tuple[str, Path]]:
    url = make_url(settings.app.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        yield "app.database_url", Path(url.database)
    for path in settings.client_secret_files:
        yield "ehr.client_secret_file", path
