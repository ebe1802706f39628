"""The root of the app's errors: a stable code, words for the person, never the content of a field."""

from __future__ import annotations

from typing import ClassVar


class AppError(Exception):
    """Something the app refuses or cannot do, in words fit for a page.

    ``code`` is stable: tests, logs and support use it. ``title`` says what happened, ``remedy`` what to do now.
    ``field`` names the input that is at fault; its content never enters an error (safety rule 9).
    """

    code: ClassVar[str] = "app-error"
    title: ClassVar[str] = "Something went wrong"
    remedy: ClassVar[str] = "Go back and try again."
    http_status: ClassVar[int] = 400

    def __init__(self, message: str = "", *, field: str | None = None) -> None:
        super().__init__(message or self.title)
        self.field = field
