"""Drives the simulated EHR as an app would, one request at a time, through Flask's test client."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox_ehr.app import SandboxApp, create_app
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.registered_clients import RegisteredClient

BASE_URL = "http://ehr.test"
FHIR_BASE_URL = f"{BASE_URL}/fhir"
APP_URL = "https://app.test"
REDIRECT_URI = f"{APP_URL}/callback"
VERIFIER = "a-code-verifier-of-forty-three-characters-0"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPE = "launch openid fhirUser patient/Patient.r patient/Observation.crs"
SECRET = "a secret: with a colon"


@dataclass
class SettableClock:
    """A clock that a test moves."""

    now: datetime = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def public_client(**changes: Any) -> RegisteredClient:
    return RegisteredClient(
        **{
            "client_id": "public-app",
            "name": "Public app",
            "redirect_uris": (REDIRECT_URI,),
            "launch_uri": f"{APP_URL}/launch",
            **changes,
        }
    )


def secret_client() -> RegisteredClient:
    return public_client(client_id="secret-app", client_auth="client_secret_basic", client_secret=SECRET)


@dataclass
class AppDriver:
    """One app at one simulated EHR."""

    app: SandboxApp
    clock: SettableClock
    client_id: str = "public-app"

    @property
    def http(self) -> FlaskClient:
        return self.app.test_client()

    def launch(self, **parameters: str) -> str:
        """Give the launch id that the launcher sends to the app."""
        query = {"patient": "pt-01", "user": "prac-okafor", "client": self.client_id, **parameters}
        answer = self.http.get("/launch", query_string=query, base_url=BASE_URL)
        assert answer.status_code == 302, answer.text
        return read_query(answer)["launch"]

    def authorize_parameters(self, launch: str | None, /, **changes: str | None) -> dict[str, str]:
        parameters: Mapping[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": SCOPE,
            "state": "state-of-this-browser",
            "aud": FHIR_BASE_URL,
            "launch": launch,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "nonce": "nonce-of-this-launch",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def authorize(self, launch: str | None, /, **changes: str | None) -> TestResponse:
        query = self.authorize_parameters(launch, **changes)
        return self.http.get("/auth/authorize", query_string=query, base_url=BASE_URL)

    def get_code(self, launch: str | None = None, **changes: str | None) -> str:
        answer = self.authorize(launch or self.launch(), **changes)
        return read_query(answer)["code"]

    def token(self, code: str, /, *, headers: Mapping[str, str] | None = None, **changes: str | None) -> TestResponse:
        form: Mapping[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
            "client_id": self.client_id,
            **changes,
        }
        return self.post_auth("token", form, headers=headers)

    def refresh(self, refresh_token: str, /, **changes: str | None) -> TestResponse:
        form: Mapping[str, str | None] = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self.client_id,
            **changes,
        }
        return self.post_auth("token", form)

    def post_auth(
        self, endpoint: str, form: Mapping[str, str | None], *, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        sent = {name: value for name, value in form.items() if value is not None}
        return self.http.post(f"/auth/{endpoint}", data=sent, headers=dict(headers or {}), base_url=BASE_URL)

    def get_token(self, *, scope: str = SCOPE, **launch_parameters: str) -> dict[str, Any]:
        """Run a whole EHR launch and give the token response."""
        answer = self.token(self.get_code(self.launch(**launch_parameters), scope=scope))
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def read(self, path: str, access_token: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.http.get(f"/fhir/{path}", headers=headers, base_url=BASE_URL)


def build_driver(*clients: RegisteredClient, client_id: str = "public-app", **config: Any) -> AppDriver:
    clock = SettableClock()
    app = create_app(
        SandboxConfig(base_url=BASE_URL, clients=clients or (public_client(), secret_client()), clock=clock, **config)
    )
    return AppDriver(app=app, clock=clock, client_id=client_id)


@contextmanager
def open_driver() -> Iterator[AppDriver]:
    """Give a public app at an EHR with every default."""
    driver = build_driver()
    yield driver
    driver.app.close()


def read_query(answer: TestResponse) -> dict[str, str]:
    """Give the query of the address that an answer redirects to."""
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True))


def basic_header(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}
