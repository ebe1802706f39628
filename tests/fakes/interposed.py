"""Stands before the simulated EHR and answers in its place where a test says so: HTML, redirects, endless bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer, ``body`` written piece by piece."""

    status: str = "200 OK"
    content_type: str = "application/fhir+json"
    body: Iterable[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Interposed:
    """WSGI middleware: give ``wrap`` to ``running_site(wrap_ehr=…)``; ``seen`` has method and path of each request."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    _answers: dict[tuple[str, str], Said] = field(default_factory=dict)
    _before: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)

    def wrap(self, wsgi: Any) -> Any:
        def answer(environ: Any, start_response: Any) -> Any:
            asked = (environ["REQUEST_METHOD"], environ["PATH_INFO"])
            self.seen.append(asked)
            if asked in self._before:
                self._before[asked]()
            said = self._answers.get(asked)
            if said is None:
                return wsgi(environ, start_response)
            start_response(said.status, [("Content-Type", said.content_type), *said.headers.items()])
            return said.body

        return answer

    @contextmanager
    def saying(self, method: str, path: str, said: Said) -> Iterator[None]:
        """Answer ``said`` for as long as the block lasts."""
        self._answers[method, path] = said
        try:
            yield
        finally:
            del self._answers[method, path]

    def before(self, method: str, path: str, happens: Callable[[], None]) -> None:
        """Let something happen in the EHR just before it answers, once."""

        def once() -> None:
            del self._before[method, path]
            happens()

        self._before[method, path] = once


class Endless:
    """A body of 100 MB, piece by piece; ``read`` says how much of it was taken."""

    PIECE = b" " * 65_536

    def __init__(self, *, size: int = 100_000_000) -> None:
        self.size = size
        self.read = 0

    def __iter__(self) -> Iterator[bytes]:
        while self.read < self.size:
            self.read += len(self.PIECE)
            yield self.PIECE
