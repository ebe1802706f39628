"""A file of secrets is whole, its owner's only, and leaves nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smart_app.secret_file import write_secret_file


def test_it_replaces_the_file_whole_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    before = os.umask(0)
    try:
        write_secret_file(path, "first")
        write_secret_file(path, "second")
    finally:
        os.umask(before)
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_no_secret_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    write_secret_file(path, "first")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_secret_file(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
