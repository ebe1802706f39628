"""A client of a running simulated EHR over real connections, and the truth as its store and request log hold it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.issued_tokens import Authorization
from sandbox_ehr.launch_context import LaunchContext
from sandbox_ehr.seed.loader import load_accounts
from sandbox_ehr.server import RunningSandbox, running_sandbox
from tests.unit.sandbox_ehr.app_driver import SettableClock, public_client
from tests.unit.sandbox_ehr.fhir_client import encounter, observation

SCOPE = "patient/*.cruds user/*.cruds"
SECONDS = 10


@dataclass
class Wire:
    """One client with a token for pt-01."""

    ehr: RunningSandbox
    clock: SettableClock
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/fhir+json"}

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.ehr.base_url)
        return str(parts.hostname), int(parts.port or 0)

    def send(
        self, method: str, path: str, body: Any = None, *, seconds: float = SECONDS, **headers: str
    ) -> requests.Response:
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = None if body is None else json.dumps(body)
        return requests.request(method, f"{self.ehr.fhir_base_url}/{path}", headers=sent, data=data, timeout=seconds)

    def create(self, *, seconds: float = SECONDS, **headers: str) -> requests.Response:
        return self.send("POST", "Observation", observation("pt-01"), seconds=seconds, **headers)

    def search(self) -> set[str]:
        """The ids that the EHR finds."""
        bundle = self.send("GET", f"Observation?patient=pt-01&_lastUpdated=ge{self.clock().date()}&_count=200").json()
        return {entry["resource"]["id"] for entry in bundle.get("entry", [])}

    def order(self, fault: str, **more: Any) -> None:
        """Order a fault through the control address."""
        answer = requests.post(f"{self.ehr.base_url}/_control/faults", json={"fault": fault, **more}, timeout=SECONDS)
        assert answer.status_code == 201, answer.text

    def log(self) -> list[dict[str, Any]]:
        """The request log as the control address gives it."""
        entries = requests.get(f"{self.ehr.base_url}/_control/requests", timeout=SECONDS).json()["requests"]
        return list(entries)

    @property
    def created(self) -> int:
        """How many Observations the client's requests have put into the store: the truth."""
        written = [name for logged in self.ehr.store.requests() for name in logged.written]
        with self.ehr.store.reading() as session:
            kept = [
                session.find("Observation", name.split("/")[1]) for name in written if name.startswith("Observation/")
            ]
        assert all(found is not None for found in kept)
        return len(kept)

    def wait_until_calm(self) -> None:
        assert self.ehr.control.gate.wait_until_calm(SECONDS)


@contextmanager
def open_wire(**config: Any) -> Iterator[Wire]:
    clock = SettableClock()
    settings = {"control": True, "clock": clock, "clients": (public_client(),), "seeded": False, **config}
    with running_sandbox(SandboxConfig(**settings)) as ehr:
        for patient in ("pt-01", "pt-02"):
            ehr.store.put_raw({"resourceType": "Patient", "id": patient, "active": True})
            ehr.store.put_raw(encounter(patient))
        yield Wire(ehr=ehr, clock=clock, secret=issue_token(ehr))


def issue_token(ehr: RunningSandbox, *, scope: str = SCOPE, patient: str | None = "pt-01") -> str:
    """Give the secret of an access token, without the launch that would have come before."""
    context = LaunchContext(patient=patient, user=load_accounts()["prac-okafor"])
    authorization = Authorization(
        family="tests",
        client_id="public-app",
        scope=f"launch {scope}",
        context=context,
        fhir_base_url=ehr.fhir_base_url,
        redirect_uri="https://app.test/callback",
        code_challenge="",
        authorized_at=ehr.app.server.clock(),
    )
    return ehr.app.server.tokens.issue(
        "access_token", authorization, scope=f"launch {scope}", lifetime=timedelta(hours=1)
    )
