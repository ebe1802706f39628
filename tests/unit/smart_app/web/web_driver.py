"""Drives a web app whose use cases answer from samples: the web layer alone is under test here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, cast
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient

from launch.ehr import Ehr, EhrRegistry
from launch.ehr_profile import get_ehr_profile
from smart_app.connections import Connections
from smart_app.library import load_library
from smart_app.model.identity import PatientKey, User
from smart_app.model.launch_session import LaunchSession, SessionStanding
from smart_app.screening.forms import GivingForm
from smart_app.screening.launching import BegunLaunch, FinishedLaunch
from smart_app.screening.views import HandInResult, SavedView, SaveReport
from smart_app.services import Acting, Services, SiteRules
from smart_app.web import WebOptions, create_app
from tests.unit.smart_app.web import page_samples as samples

NOW = datetime(2026, 11, 24, 16, 52, tzinfo=UTC)
SECRET = "s3cret-of-the-launch-0001"
ISS = "https://ehr.example/fhir"


@dataclass
class Calls:
    """What the web layer asked of the use cases, and what they answer."""

    made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    standing: SessionStanding = SessionStanding.LIVE

    def last(self, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give arguments of the newest call of one use case."""
        found = [(args, more) for made, args, more in self.made if made == name]
        assert found, f"{name} was not called"
        return found[-1]

    def names(self) -> list[str]:
        """Give the use cases called, in order."""
        return [name for name, _, _ in self.made]


SAVED = SaveReport(
    saves=(SavedView(link_id="phq9-1", kind="saved", code="LA6569-3", version=1, words="Saved 10:33", alert=False),),
    answered=1,
    count=10,
    progress="1 of 10 answered",
    total="",
    risk_notice="",
    not_asked=("phq9-10",),
)


def acting(standing: SessionStanding, correlation_id: str) -> Acting:
    """Make who acts in the one launch of these tests."""
    session = LaunchSession(
        id=samples.LAUNCH_ID,
        secret_hash="",
        ehr_id="sandbox",
        patient=PatientKey(ehr_id="sandbox", tenant="", patient_id="p1"),
        user=User(issuer=ISS, subject="u1", fhir_user="Practitioner/7", name="Miriam Okafor, MD"),
        role_codes=(),
        encounter_id=None,
        launch="",
        framed=False,
        started_at=NOW,
        last_seen_at=NOW,
    )
    return Acting(session=session, standing=standing, rights={}, now=NOW, correlation_id=correlation_id)


ANSWERS: dict[str, Any] = {
    "view_home": samples.HOME,
    "view_history": samples.HISTORY,
    "view_worklist": samples.WORKLIST,
    "view_start": samples.START,
    "find_usual_giving": GivingForm(informant="patient", mode="interview", language="en"),
    "start_screening": samples.SCREENING,
    "view_form": samples.FORM,
    "save_answers": SAVED,
    "hand_in": HandInResult(handed_in=True, missing=(), differences=(), alerts_opened=0),
    "view_hand_in": samples.REFUSED_FORM,
    "stop_screening": None,
    "view_review": samples.REVIEW,
    "reopen_screening": None,
    "reject_screening": None,
    "set_comment": None,
    "view_alert": samples.ALERT_VIEW,
    "close_alert": samples.CLOSED_ALERT,
    "hand_over_alert": samples.ALERT_VIEW,
    "ask_again": samples.ALERT_VIEW,
    "add_to_alert": samples.ALERT_VIEW,
    "view_encounters": samples.ENCOUNTERS,
    "choose_encounter": None,
    "save_note": None,
    "renew_note": None,
    "sign_screening": UUID(int=7),
    "co_sign": None,
    "finish_writing": None,
    "view_outcome": samples.OUTCOME,
    "view_unfinished": samples.UNFINISHED,
    "decide_unfinished": None,
    "log_out": None,
    "audit_refused_request": None,
    "begin_launch": BegunLaunch(
        authorize_url="https://ehr.example/authorize?state=st4te", state="st4te", binding="b1nding"
    ),
    "finish_launch": FinishedLaunch(
        launch_id=samples.LAUNCH_ID,
        secret=SECRET,
        framed=False,
        who=acting(SessionStanding.LIVE, "test"),
        instrument_id=None,
    ),
}


def make_services(base_url: str) -> Services:
    """Make services of which the web layer touches rules, EHRs, library and clock alone."""
    ehr = Ehr(
        id="sandbox",
        name="Sandbox EHR",
        fhir_base_url=ISS,
        client_id="c1",
        profile=get_ehr_profile("generic"),
        allow_private=(ip_network("127.0.0.0/8"),),
        frame_ancestors=("https://ehr.example",),
    )
    other = replace(ehr, id="other", name="Other", fhir_base_url="https://other.example/fhir", frame_ancestors=())
    registry = EhrRegistry((ehr, other))
    untouched = cast("Any", None)
    return Services(
        units=untouched,
        clock=lambda: NOW,
        new_id=lambda: UUID(int=1),
        new_secret=lambda: "secret",
        random_bytes=bytes,
        library=load_library(),
        ehrs=registry,
        connections=Connections(registry, keys=None),
        charts=untouched,
        rules=SiteRules(
            base_url=base_url,
            is_test=True,
            rights=(),
            crisis="Call or text 988, at any hour (US). In danger, call 911.",
        ),
        software_version="0.1.0",
    )


def make_app(base_url: str = "https://screening.example", **options: Any) -> Flask:
    """Make the web app at an address."""
    return create_app(make_services(base_url), WebOptions(secret_key=b"0123456789abcdef", **options))


class Browser:
    """A client on the app's own origin that holds the cookie of the launch and sends what a browser sends."""

    def __init__(self, app: Flask, *, secret: str | None = SECRET, base_url: str = "https://screening.example") -> None:
        self.client: FlaskClient = app.test_client()
        self.base_url = base_url
        self.csrf = ""
        if secret is not None:
            name = "__Secure-launch" if base_url.startswith("https") else "launch"
            host = base_url.split("//")[1]
            self.client.set_cookie(name, secret, domain=host, path=f"/launches/{samples.LAUNCH_ID}/")

    def get(self, path: str, **headers: str) -> Any:
        """GET a page, and keep the CSRF token it carries."""
        answer = self.client.get(path, base_url=self.base_url, headers=headers)
        mark = 'name="csrf_token" value="'
        if mark in answer.text:
            self.csrf = answer.text.split(mark)[1].split('"')[0]
        return answer

    def fetch(self, path: str) -> bytes:
        """GET a static file as a browser does, compressed."""
        answer = self.client.get(path, base_url=self.base_url, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        return bytes(answer.data)

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> Any:
        """POST a form from a page of the app."""
        if not self.csrf:
            self.get(f"/launches/{samples.LAUNCH_ID}/")
        sent = {"Origin": self.base_url, "Referer": f"{self.base_url}/", **headers}
        data = {"csrf_token": self.csrf, **(form or {})}
        return self.client.post(path, data=data, base_url=self.base_url, headers=sent)

    def post_json(self, path: str, body: Any, **headers: str) -> Any:
        """POST JSON as the page's script does."""
        if not self.csrf:
            self.get(f"/launches/{samples.LAUNCH_ID}/")
        sent = {
            "Origin": self.base_url,
            "Referer": f"{self.base_url}/",
            "X-CSRFToken": self.csrf,
            "Accept": "application/json",
            **headers,
        }
        return self.client.post(path, json=body, base_url=self.base_url, headers=sent)
