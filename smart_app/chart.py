"""What a launch has read from its patient's chart, parsed, and the short cache that keeps it (design section 3)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fhir_mappings.administration import Party
from fhir_mappings.change import Point
from fhir_mappings.errors import MappingError
from fhir_mappings.r4 import PartialDateTime, parse_partial_date_time
from smart_app.model.identity import PatientIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One Encounter as the pages show it. ``status`` and ``class_code`` are FHIR's codes, "" where absent."""

    id: str
    status: str
    class_code: str
    type_text: str
    start: PartialDateTime | None
    service_provider: Party | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartHistory:
    """Earlier scores by instrument id, and what could not be read, in words without patient data."""

    points: dict[str, tuple[Point, ...]]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One parallel wave: the patient, the visit of the launch, and the user's name.

    ``visit`` None: the launch has none, or it could not be read (``visit_notice`` says which).
    """

    patient: PatientIdentity
    visit: Visit | None
    visit_notice: str


def parse_visit(encounter: Mapping[str, Any], patient_id: str) -> Visit | None:
    """Read an R4 Encounter; None when it is not this patient's or has no id. Absent and odd parts are left out."""
    identifier, subject = encounter.get("id"), encounter.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(identifier, str) or not isinstance(reference, str):
        return None
    if reference.split("/_history/", 1)[0].split("/")[-2:] != ["Patient", patient_id]:
        return None
    period, kind = encounter.get("period"), encounter.get("class")
    return Visit(
        id=identifier,
        status=_text(encounter.get("status")),
        class_code=_text(kind.get("code")) if isinstance(kind, dict) else "",
        type_text=_type_text(encounter.get("type")),
        start=_start(period.get("start")) if isinstance(period, dict) else None,
        service_provider=_party(encounter.get("serviceProvider")),
    )


def _start(text: object) -> PartialDateTime | None:
    try:
        return parse_partial_date_time(text, "Encounter.period.start")
    except MappingError:
        return None


def _type_text(types: object) -> str:
    for concept in types if isinstance(types, list) else ():
        if not isinstance(concept, dict):
            continue
        codings = concept.get("coding")
        displays = [coding.get("display") for coding in codings if isinstance(coding, dict)] if codings else []
        for words in (concept.get("text"), *displays):
            if isinstance(words, str) and words.strip():
                return words.strip()
    return ""


def _party(reference: object) -> Party | None:
    if not isinstance(reference, dict) or not _text(reference.get("reference")):
        return None
    return Party(reference=_text(reference.get("reference")), display=_text(reference.get("display")) or "organization")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


FAILED_READ_KEPT_FOR = timedelta(seconds=10)


@dataclass(slots=True)
class _Entry:
    chart: Chart | None = None
    visits: tuple[Visit, ...] | None = None
    history: ChartHistory | None = None
    supervisor_name: str | None = None
    until: datetime | None = None
    read_again: dict[str, datetime] = field(default_factory=dict)

    def is_due(self, part: str, now: datetime) -> bool:
        """Tell whether a part could not be read whole and has been kept for long enough."""
        return part in self.read_again and self.read_again[part] <= now


class ChartCache:
    """Charts by launch id for a few minutes, in memory only; bounded, thread-safe. Never shared between launches."""

    def __init__(self, *, lifetime: timedelta = timedelta(minutes=5), most: int = 100) -> None:
        self._lifetime = lifetime
        self._most = most
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def find_chart(self, launch_id: str, now: datetime) -> Chart | None:
        """Give what was kept, None when there is nothing or it is too old."""
        with self._lock:
            entry = self._entry(launch_id, now)
            return None if entry.is_due("chart", now) else entry.chart

    def find_visits(self, launch_id: str, now: datetime) -> tuple[Visit, ...] | None:
        """Give the recent visits kept."""
        with self._lock:
            return self._entry(launch_id, now).visits

    def find_history(self, launch_id: str, now: datetime) -> ChartHistory | None:
        """Give the history kept."""
        with self._lock:
            entry = self._entry(launch_id, now)
            return None if entry.is_due("history", now) else entry.history

    def find_supervisor_name(self, launch_id: str, now: datetime) -> str | None:
        """Give the name kept of the user's supervisor, "" where the EHR did not tell it."""
        with self._lock:
            entry = self._entry(launch_id, now)
            return None if entry.is_due("supervisor_name", now) else entry.supervisor_name

    def keep(
        self,
        launch_id: str,
        now: datetime,
        *,
        chart: Chart | None = None,
        visits: tuple[Visit, ...] | None = None,
        history: ChartHistory | None = None,
        supervisor_name: str | None = None,
        failed: bool = False,
    ) -> None:
        """Keep parts of a launch's chart until the lifetime of the entry ends.

        ``failed``: something of them could not be read that may be readable the next time; they are kept so briefly
        that the page and what it fetches show the same, and a slow EHR is not asked by each.
        """
        with self._lock:
            entry = self._entry(launch_id, now)
            entry.chart = chart or entry.chart
            entry.visits = entry.visits if visits is None else visits
            entry.history = history or entry.history
            entry.supervisor_name = entry.supervisor_name if supervisor_name is None else supervisor_name
            given = {"chart": chart, "history": history, "supervisor_name": supervisor_name}
            for part in (part for part, value in given.items() if value is not None):
                entry.read_again.pop(part, None)
                if failed:
                    entry.read_again[part] = now + FAILED_READ_KEPT_FOR
            self._entries[launch_id] = entry
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def forget_chart(self, launch_id: str) -> None:
        """Drop the patient and visit of a launch: another visit was chosen."""
        with self._lock:
            if launch_id in self._entries:
                self._entries[launch_id].chart = None

    def forget(self, launch_id: str) -> None:
        """Drop everything of a launch: it has ended."""
        with self._lock:
            self._entries.pop(launch_id, None)

    def _entry(self, launch_id: str, now: datetime) -> _Entry:
        entry = self._entries.get(launch_id)
        if entry is None or entry.until is None or entry.until <= now:
            self._entries.pop(launch_id, None)
            return _Entry(until=now + self._lifetime)
        self._entries.move_to_end(launch_id)
        return entry
