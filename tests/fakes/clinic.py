"""A clinic: the app's use cases on a real database, against the simulated EHR on loopback; no browser in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import requests

from launch.ehr import Ehr, EhrRegistry
from launch.ehr_profile import get_ehr_profile
from launch.scopes import Feature
from launch.session import ActiveLaunch
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.server import RunningSandbox, running_sandbox
from smart_app.chart import ChartCache
from smart_app.connections import Connections
from smart_app.library import load_library
from smart_app.model.approval import WriteChoice
from smart_app.model.audit import AuditAction
from smart_app.model.launch_session import LaunchSession
from smart_app.model.rights import Right, RightsRule
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedStatus
from smart_app.screening import workflow
from smart_app.screening.forms import DECLINED, AssessmentForm, GivingForm, PostedForm
from smart_app.services import Acting, EhrRules, Services, SiteRules
from smart_app.storage.engine import open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.migrate import upgrade
from smart_app.storage.unit_of_work import Units

START = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
BASE_URL = "http://127.0.0.1:8000"
OKAFOR, LINDQVIST, FERREIRA, BELL = "prac-okafor", "prac-lindqvist", "prac-ferreira", "prac-bell"
PHQ9 = tuple(f"phq9-{number}" for number in range(1, 10))
LIBRARY = load_library()
CLINICIANS = frozenset({f"Practitioner/{OKAFOR}", f"Practitioner/{LINDQVIST}"})
RIGHTS = (
    RightsRule(right=Right.SIGN, identities=CLINICIANS),
    RightsRule(
        right=Right.SIGN, identities=frozenset({f"Practitioner/{FERREIRA}"}), supervisor=f"Practitioner/{LINDQVIST}"
    ),
    RightsRule(right=Right.CLOSE_ALERT, identities=CLINICIANS | {f"Practitioner/{FERREIRA}"}),
    RightsRule(right=Right.CO_SIGN, identities=CLINICIANS),
)
GIVING = GivingForm(informant="patient", mode="interview", language="en", knowingly=True)
ASSESSMENT = AssessmentForm(
    risk_level="low, in my judgement",
    reasons="passive thoughts, no plan, no intent",
    plan="safety plan reviewed, call on Friday",
    disposition="home-with-plan",
)


@dataclass(slots=True)
class Clock:
    """A clock that the test moves."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(slots=True)
class Clinic:
    """The app and its EHR. Each method is what a person does; it goes through the use cases only."""

    app: Services
    sandbox: RunningSandbox
    clock: Clock
    secrets: dict[str, str] = field(default_factory=dict)
    _sequence: Iterator[int] = field(default_factory=lambda: count(1))

    def launch(self, patient: str = "pt-01", user: str = OKAFOR, **parameters: str) -> Acting:
        """Open the app from a chart; ``encounter="none"`` without a visit."""
        query = {"client": "smart-screening", "patient": patient, "user": user, **parameters}
        ordered = requests.get(f"{self.sandbox.base_url}/launch", params=query, allow_redirects=False, timeout=10)
        arrived = parse_qs(urlsplit(ordered.headers["Location"]).query)
        begun = workflow.begin_launch(self.app, iss=arrived["iss"][0], launch=arrived["launch"][0], framed=False)
        back = requests.get(begun.authorize_url, allow_redirects=False, timeout=10)
        params = parse_qs(urlsplit(back.headers["Location"]).query)
        finished = workflow.finish_launch(self.app, params=params, binding=begun.binding, correlation_id="test")
        self.secrets[finished.launch_id] = finished.secret
        return self.open(finished.launch_id)

    def open(self, launch_id: str) -> Acting:
        """Make the next request of a launch."""
        return workflow.open_session(self.app, launch_id, self.secrets[launch_id], correlation_id="test")

    def again(self, who: Acting) -> Acting:
        """Make the next request of the same launch."""
        return self.open(who.session.id)

    def start(self, who: Acting, instrument_id: str = "phq-9", giving: GivingForm = GIVING) -> UUID:
        """Start a screening."""
        return workflow.start_screening(self.app, who, instrument_id, giving)

    def save(self, who: Acting, screening_id: UUID, answers: Mapping[str, int | None], device: str = "page-1") -> Any:
        """Save answers by weight, None for declined, as a page does that has seen what stands."""
        with self.app.units.read() as unit:
            screening = unit.screenings.get(screening_id)
        incoming = []
        for link_id, weight in answers.items():
            standing = screening.current(link_id)
            incoming.append(
                IncomingAnswer(
                    link_id=link_id,
                    status=SavedStatus.DECLINED if weight is None else SavedStatus.ANSWERED,
                    code=None if weight is None else code_of(link_id, weight),
                    device=device,
                    sequence=next(self._sequence),
                    seen_version=0 if standing is None else standing.version,
                )
            )
        return workflow.save_answers(self.app, who, screening_id, incoming)

    def give(self, who: Acting, weights: Mapping[str, int | None], instrument_id: str = "phq-9") -> UUID:
        """Start, save and hand in, incomplete where items are left out."""
        screening_id = self.start(who, instrument_id)
        self.save(who, screening_id, weights)
        handed_in = workflow.hand_in(self.app, who, screening_id, self.posted(screening_id, accept_missing=True))
        assert handed_in.handed_in
        return screening_id

    def posted(self, screening_id: UUID, **changes: Any) -> PostedForm:
        """The whole form as a page posts it that shows what is saved; ``codes`` in ``changes`` are laid over it."""
        with self.app.units.read() as unit:
            screening = unit.screenings.get(screening_id)
        current = screening.current_answers()
        codes = {key: DECLINED if saved.code is None else saved.code for key, saved in current.items()}
        codes |= changes.pop("codes", {})
        seen = {saved.link_id: saved.version for saved in screening.answers}
        return replace(PostedForm(device="page-1", codes=codes, seen=seen), **changes)

    def sign(self, who: Acting, screening_id: UUID, **changes: Any) -> UUID:
        """Look at the review and sign what it shows."""
        view = workflow.view_review(self.app, who, screening_id)
        values: dict[str, Any] = {"displayed_hash": view.sign.displayed_hash, "choice": WriteChoice.WRITE, **changes}
        return workflow.sign_screening(self.app, who, screening_id, **values)

    def close_alerts(self, who: Acting, screening_id: UUID, form: AssessmentForm = ASSESSMENT) -> None:
        """Close every alert of a screening."""
        for alert in self.alerts(screening_id):
            workflow.close_alert(self.app, who, alert.id, form)

    def alerts(self, screening_id: UUID) -> Any:
        """The alerts of a screening as stored."""
        with self.app.units.read() as unit:
            return unit.alerts.for_screening(screening_id)

    def screening(self, screening_id: UUID) -> Any:
        """A screening as stored."""
        with self.app.units.read() as unit:
            return unit.screenings.get(screening_id)

    def rows(self, screening_id: UUID) -> Any:
        """The ledger rows of a screening's approval."""
        with self.app.units.read() as unit:
            approval = unit.approvals.find_for_screening(screening_id)
            return () if approval is None else unit.ledger.rows_of(approval.id)

    def session(self, who: Acting) -> LaunchSession:
        """A session as stored."""
        with self.app.units.read() as unit:
            return unit.sessions.get(who.session.id)

    def audited(self, action: AuditAction) -> list[Any]:
        """The audit events of one kind, oldest first."""
        with self.app.units.read() as unit:
            return [event for _, event in unit.audit.export() if event.action is action]

    def in_chart(self, resource_type: str, patient: str) -> list[dict[str, Any]]:
        """What the EHR's store holds of one type for one patient, as one of its own users reads it."""
        token = ActiveLaunch.from_json(self.session(self.launch(patient)).launch).tokens.access_token
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}
        address = f"{self.sandbox.fhir_base_url}/{resource_type}"
        query = {"patient": patient, "_count": "200"}
        answer = requests.get(address, params=query, headers=headers, timeout=10)
        answer.raise_for_status()
        return [entry["resource"] for entry in answer.json().get("entry", [])]


def code_of(link_id: str, weight: int) -> str:
    """The option's code of that weight, or in that place where the options have no weights."""
    for instrument in LIBRARY.find_all():
        item = instrument.by_link_id.get(link_id)
        if item is not None:
            options = item.options
            return next((o.coding.code for o in options if o.weight == weight), options[weight].coding.code)
    raise AssertionError(link_id)


def phq9(*weights: int | None) -> dict[str, int | None]:
    """Answers to the nine items, by weight."""
    return dict(zip(PHQ9, weights, strict=False))


@contextmanager
def open_clinic(
    folder: Path,
    *,
    rules: Mapping[str, Any] | None = None,
    ehr: Mapping[str, Any] | None = None,
    database_url: str | None = None,
) -> Iterator[Clinic]:
    """Open the clinic; ``rules`` and ``ehr`` override parts of SiteRules and of the EHR's entry.

    ``database_url`` None: a SQLite file in the folder.
    """
    clock = Clock()
    with running_sandbox(SandboxConfig(clock=clock, control=True)) as sandbox:
        entry = Ehr(
            id="sandbox",
            name="Alder Creek Behavioral Health",
            fhir_base_url=sandbox.fhir_base_url,
            client_id="smart-screening",
            profile=get_ehr_profile("generic"),
            allow_private=(ip_network("127.0.0.0/8"),),
            organization="Organization/org-alder-creek",
        )
        registry = EhrRegistry([replace(entry, **(ehr or {}))])
        site = SiteRules(
            base_url=BASE_URL,
            is_test=True,
            rights=RIGHTS,
            crisis="988",
            ehrs={"sandbox": EhrRules(features=frozenset(Feature))},
        )
        database = open_database(database_url or f"sqlite:///{folder / 'app.db'}")
        upgrade(database)
        ids, words, bytes_ = count(1), count(1), count(1)
        app = Services(
            units=Units(database, KeyRing.generate(START)),
            clock=clock,
            new_id=lambda: UUID(int=next(ids)),
            new_secret=lambda: f"secret-{next(words):024}",
            random_bytes=lambda size: next(bytes_).to_bytes(size, "big"),
            library=LIBRARY,
            ehrs=registry,
            connections=Connections(registry, keys=None),
            charts=ChartCache(),
            rules=replace(site, **(rules or {})),
            software_version="1.0-test",
        )
        try:
            yield Clinic(app=app, sandbox=sandbox, clock=clock)
        finally:
            app.connections.close()
            database.close()
