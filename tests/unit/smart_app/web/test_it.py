"""For IT: health, metrics, keys, definitions, the registration sheet, static files."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import Browser

HOME = f"/launches/{samples.LAUNCH_ID}/"


def test_health_answers_without_a_launch(browser: Browser) -> None:
    assert browser.get("/healthz").text == "ok\n"


def test_metrics_count_routes_and_refusals_and_know_no_patient_or_launch(browser: Browser) -> None:
    browser.get(HOME)
    browser.get("/nowhere")

    text = browser.get("/metrics").text

    assert 'smart_screening_requests_total{endpoint="clinician.home",method="GET",status="200"} 1' in text
    assert 'smart_screening_refusals_total{code="page-not-found"} 1' in text
    assert samples.LAUNCH_ID not in text
    assert "Zoë" not in text


@pytest.mark.requirement("smart-2.2.0@302")
def test_jwks_is_a_key_set_for_anybody_even_without_keys(app: Flask) -> None:
    answer = Browser(app, secret=None).get("/.well-known/jwks.json")

    assert answer.status_code == 200
    assert answer.json == {"keys": []}


@pytest.mark.parametrize(
    "name",
    ["Questionnaire/phq-9", "Questionnaire/epds", "CodeSystem/screening", "StructureDefinition/cut-off"],
)
def test_definitions_are_read_by_type_and_id(browser: Browser, name: str) -> None:
    answer = browser.get(f"/fhir/{name}")

    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    assert f"{answer.json['resourceType']}/{answer.json['id']}" == name


def test_a_definition_that_does_not_exist_is_an_operation_outcome(browser: Browser) -> None:
    for path in ("/fhir/Questionnaire/none", "/fhir/Patient/1"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert answer.json["resourceType"] == "OperationOutcome"


def test_the_registration_sheet_names_addresses_and_scopes_with_reasons(browser: Browser) -> None:
    page = browser.get("/registration").text

    assert "https://screening.example/callback" in page
    assert "patient/Patient.r" in page
    assert "offline_access" not in page.split("Scopes, each with its reason")[1]


def test_static_files_are_named_by_content_cached_for_ever_and_gzipped(browser: Browser) -> None:
    (path,) = re.findall(r'href="(/static/app-[0-9a-f]{12}\.css)"', browser.get(HOME).text)

    answer = browser.get(path)

    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert len(browser.fetch(path)) < len(answer.data) / 3
    assert browser.get("/static/app-000000000000.css").status_code == 404
