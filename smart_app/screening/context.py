"""What is read from the EHR for a page: one parallel wave each, parsed at the door, kept for a few minutes (FHIR R4).

First wave, at the callback: Patient, Encounter, the user and their roles. Recent visits and earlier results are waves
of their own, so that no page waits for what it does not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_mappings.chart_history import parse_score_observations
from launch.errors import Forbidden, Gone, LaunchError, NotFound
from launch.fhir_reader import FhirResource, Read, Search, SearchResult
from launch.session import ActiveLaunch
from smart_app.access import event
from smart_app.chart import Chart, ChartHistory, Visit, parse_visit
from smart_app.library import Library
from smart_app.model.audit import AuditAction
from smart_app.model.identity import PatientIdentity
from smart_app.model.patient_record import parse_patient_identity
from smart_app.model.rights import Right
from smart_app.screening.tokens import get_active
from smart_app.services import Acting, Services

Wave = Mapping[str, FhirResource | SearchResult | LaunchError]

_NO_VISITS = frozenset({"cancelled", "entered-in-error"})
_STAFF = frozenset({"Practitioner", "PractitionerRole", "Person"})
_MOST_VISITS = "20"
_PAGE = "100"
_SECONDS = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstWave:
    """What the callback reads. ``failed``: the visit may be readable the next time.

    ``role_codes`` are ``system|code`` of the user's PractitionerRoles.
    """

    chart: Chart
    failed: bool
    user_name: str
    role_codes: tuple[str, ...]


def fetch_first_wave(app: Services, active: ActiveLaunch) -> FirstWave:
    """Read patient, visit and user at once. Raises: LaunchError and MalformedPatient for the patient alone."""
    wanted = _chart_reads(active.context.patient or "", active.context.encounter)
    user = None if active.user is None else active.user.fhir_user
    if user is not None and user.split("/", 1)[0] in _STAFF:
        wanted["user"] = Read(resource_type=user.split("/", 1)[0], id=user.split("/", 1)[1])
    if user is not None and user.startswith("Practitioner/") and active.scopes.allows("PractitionerRole", "s"):
        wanted["roles"] = Search(resource_type="PractitionerRole", params=(("practitioner", user),), max_pages=1)
    wave = app.connections.reader(active).read_together(wanted, deadline=_SECONDS)
    person = wave.get("user")
    roles = wave.get("roles")
    found = [person] if isinstance(person, FhirResource) else []
    found += roles.resources if isinstance(roles, SearchResult) else ()
    return FirstWave(
        chart=_build_chart(wave, active.context.encounter),
        failed=_has_failed(wave.get("encounter")),
        user_name=_name_of(person) if isinstance(person, FhirResource) else "",
        role_codes=tuple(sorted({code for resource in found for code in _role_codes(resource)})),
    )


def get_chart(app: Services, who: Acting) -> Chart:
    """Give the chart of the launch, from the cache or by one wave.

    Raises: LaunchOver, LaunchError, MalformedPatient.
    """
    chart = app.charts.find_chart(who.session.id, who.now)
    if chart is None:
        active = get_active(app, who)
        encounter_id = who.session.encounter_id or None  # NO_VISIT is nothing to read
        wanted = _chart_reads(who.patient.patient_id, encounter_id)
        wave = app.connections.reader(active).read_together(wanted, deadline=_SECONDS)
        chart = _build_chart(wave, encounter_id)
        _audit_read(app, who, "patient")
        app.charts.keep(who.session.id, who.now, chart=chart, failed=_has_failed(wave.get("encounter")))
    return chart


def get_visits(app: Services, who: Acting) -> tuple[Visit, ...]:
    """Give this patient's recent visits, newest first, without cancelled ones. Raises: LaunchError, LaunchOver."""
    visits = app.charts.find_visits(who.session.id, who.now)
    if visits is None:
        params = (("patient", who.patient.patient_id), ("_sort", "-date"), ("_count", _MOST_VISITS))
        found = app.connections.reader(get_active(app, who)).search("Encounter", params, max_pages=1)
        parsed = [
            parse_visit(entry.resource, who.patient.patient_id)
            for entry in found.resources
            if entry.resource_type == "Encounter"
        ]
        kept = [visit for visit in parsed if visit is not None and visit.status not in _NO_VISITS]
        kept.sort(key=lambda visit: visit.start.earliest.timestamp() if visit.start else 0.0, reverse=True)
        visits = tuple(kept)
        _audit_read(app, who, "visits")
        app.charts.keep(who.session.id, who.now, visits=visits)
    return visits


def get_history(app: Services, who: Acting) -> ChartHistory:
    """Give earlier scores from the chart. What cannot be read is a notice, never an error of the page.

    Raises: LaunchOver.
    """
    history = app.charts.find_history(who.session.id, who.now)
    if history is None:
        active = get_active(app, who)
        codings = [score.coding for instrument in app.library for score in instrument.scores]
        codes = ",".join(dict.fromkeys(f"{coding.system}|{coding.code}" for coding in codings))
        params = (("patient", who.patient.patient_id), ("code", codes), ("_count", _PAGE))
        wanted = {"observations": Search(resource_type="Observation", params=params)}
        wave = app.connections.reader(active).read_together(wanted, deadline=_SECONDS)
        history = _build_history(app.library, wave["observations"])
        _audit_read(app, who, "results")
        app.charts.keep(who.session.id, who.now, history=history, failed=_has_failed(wave["observations"]))
    return history


def get_supervisor_name(app: Services, who: Acting) -> str:
    """Give the name of whoever must sign after this user: as the site's rule has it, else as the EHR has it.

    "" where the user signs alone, or nobody knows the name. Raises: LaunchOver.
    """
    rule = who.rights.get(Right.SIGN)
    if rule is None or rule.supervisor is None or rule.supervisor_name is not None:
        return "" if rule is None else rule.supervisor_name or ""
    resource_type, _, resource_id = rule.supervisor.partition("/")
    if resource_type not in _STAFF or not resource_id:
        return ""  # a subject of the id_token: nothing to read
    name = app.charts.find_supervisor_name(who.session.id, who.now)
    if name is None:
        wanted = {"supervisor": Read(resource_type=resource_type, id=resource_id)}
        found = app.connections.reader(get_active(app, who)).read_together(wanted, deadline=_SECONDS)["supervisor"]
        name = _name_of(found) if isinstance(found, FhirResource) else ""
        app.charts.keep(who.session.id, who.now, supervisor_name=name, failed=_has_failed(found))
    return name


def _audit_read(app: Services, who: Acting, kind: str) -> None:
    with app.units.write() as unit:
        unit.audit.append(event(who, AuditAction.CHART_READ, kind=kind))
        unit.commit()


def _chart_reads(patient_id: str, encounter_id: str | None) -> dict[str, Read | Search]:
    wanted: dict[str, Read | Search] = {"patient": Read(resource_type="Patient", id=patient_id)}
    if encounter_id is not None:
        wanted["encounter"] = Read(resource_type="Encounter", id=encounter_id)
    return wanted


def _build_chart(wave: Wave, encounter_id: str | None) -> Chart:
    found = wave["patient"]
    if not isinstance(found, FhirResource):
        raise _as_error(found)
    patient = parse_patient_identity(found.resource)
    visit, notice = _build_visit(wave, encounter_id, patient)
    return Chart(patient=patient, visit=visit, visit_notice=notice)


def _has_failed(found: FhirResource | SearchResult | LaunchError | None) -> bool:
    """Tell whether a read failed for a reason that may pass: not where the EHR says no, or that there is none."""
    return isinstance(found, LaunchError) and not isinstance(found, Forbidden | NotFound | Gone)


def _as_error(found: SearchResult | LaunchError) -> LaunchError:
    if isinstance(found, LaunchError):
        return found
    raise AssertionError("a read gives no search result")


def _build_visit(wave: Wave, encounter_id: str | None, patient: PatientIdentity) -> tuple[Visit | None, str]:
    if encounter_id is None:
        return None, "no visit open"
    found = wave.get("encounter")
    if isinstance(found, Forbidden):
        return None, "the EHR does not let this app read the visit"
    if not isinstance(found, FhirResource):
        return None, "the visit could not be read"
    visit = parse_visit(found.resource, patient.patient_id)
    return visit, "" if visit is not None else "the visit is not this patient's, or cannot be read"


def _build_history(library: Library, found: FhirResource | SearchResult | LaunchError) -> ChartHistory:
    if not isinstance(found, SearchResult):
        code = found.code if isinstance(found, LaunchError) else "not-a-search"
        return ChartHistory(points={}, notices=(f"Earlier results could not be read from the chart ({code}).",))
    notices = []
    if not found.complete:
        notices.append(f"The chart may hold earlier results that were not read ({found.reason}).")
    points = {}
    unusable: set[str] = set()
    observations = [dict(entry.resource) for entry in found.resources if entry.resource_type == "Observation"]
    for instrument in library:
        mapped = parse_score_observations(observations, instrument)
        points[instrument.id] = mapped.value
        unusable |= {issue.expression for issue in mapped.issues}
    if unusable:
        notices.append(f"{len(unusable)} of the chart's earlier results could not be used, or contradict each other.")
    return ChartHistory(points=points, notices=tuple(notices))


def _role_codes(resource: FhirResource) -> Iterable[str]:
    if resource.resource_type != "PractitionerRole" or resource.resource.get("active") is False:
        return
    for concept in _dicts(resource.resource.get("code")):
        for coding in _dicts(concept.get("coding")):
            system, code = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(code, str):
                yield f"{system}|{code}"


def _name_of(person: FhirResource) -> str:
    """Give "Miriam Okafor, MD" of a Practitioner, the display of a PractitionerRole's practitioner, or ""."""
    if person.resource_type == "PractitionerRole":
        practitioner = person.resource.get("practitioner")
        display = practitioner.get("display") if isinstance(practitioner, dict) else None
        return display if isinstance(display, str) else ""
    names = _dicts(person.resource.get("name"))
    name = next((name for name in names if name.get("use") in ("official", "usual")), names[0] if names else {})
    given = [part for part in _list(name.get("given")) if isinstance(part, str)]
    family, text = name.get("family"), name.get("text")
    words = " ".join([*given, *([family] if isinstance(family, str) else [])])
    if not words:
        return text if isinstance(text, str) else ""
    suffixes = [part for part in _list(name.get("suffix")) if isinstance(part, str)]
    return ", ".join([words, *suffixes])


def _dicts(value: object) -> list[dict[str, Any]]:
    return [entry for entry in _list(value) if isinstance(entry, dict)]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
