"""The synthetic patients: valid FHIR R4, recent whatever the day, and each there for its reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st

from sandbox_ehr.seed.chart_resources import ChartBuilder
from sandbox_ehr.seed.dates import SeedCalendar
from sandbox_ehr.seed.loader import SEED_DIRECTORY, build_seed, load_accounts, seed_store
from sandbox_ehr.seed.screening_resources import FaultySeed, build_screenings
from sandbox_ehr.store import FhirStore
from sandbox_ehr.validation import check_resource

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SEED = {f"{resource['resourceType']}/{resource['id']}": resource for resource in build_seed(NOW)}
INSTRUMENTS = json.loads((SEED_DIRECTORY / "instruments.json").read_text(encoding="utf-8"))
SCREENINGS = [
    resource
    for resource in SEED.values()
    if resource["resourceType"] == "Observation" and "survey" in json.dumps(resource["category"])
]


def find_references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for part in value.values():
            yield from find_references(part)
    elif isinstance(value, list):
        for part in value:
            yield from find_references(part)


def observations_of(patient: str, code: str) -> list[dict[str, Any]]:
    return [
        resource
        for resource in SEED.values()
        if resource["resourceType"] == "Observation"
        and resource["subject"]["reference"] == f"Patient/{patient}"
        and resource["code"]["coding"][0]["code"] == code
    ]


@pytest.mark.parametrize("resource_type", sorted({reference.partition("/")[0] for reference in SEED}))
def test_resources_are_valid_r4_and_could_have_been_posted(resource_type: str) -> None:
    model = get_fhir_model_class(resource_type)
    for reference, resource in SEED.items():
        if reference.startswith(f"{resource_type}/"):
            model.model_validate(resource)
            check_resource(resource)


def test_every_reference_points_backwards_so_that_nothing_dangles() -> None:
    seen: set[str] = set()
    for reference, resource in SEED.items():
        assert set(find_references(resource)) <= seen | {reference}
        seen.add(reference)


def test_twelve_patients_are_in_use_and_each_shows_what_it_is_there_for() -> None:
    patients = [resource for resource in SEED.values() if resource["resourceType"] == "Patient"]
    assert sum(patient["active"] for patient in patients) == 12
    assert all(patient["identifier"][0]["value"].startswith("SIM-") for patient in patients)
    assert SEED["Patient/pt-02"]["name"][0] == {"use": "official", "family": "O'Brien-Núñez", "given": ["Zoë"]}
    assert SEED["Patient/pt-08"]["gender"] == "unknown"
    assert SEED["Patient/pt-09"]["name"][0]["given"] == ["Mary", "Katherine"]
    assert SEED["Patient/pt-09"]["name"][1]["use"] == "nickname"
    assert SEED["Patient/pt-10"]["deceasedDateTime"] == "2026-01-21"
    assert SEED["Patient/pt-05-old"]["link"][0]["type"] == "replaced-by"
    by_patient = Counter(
        resource["subject"]["reference"] for resource in SEED.values() if resource["resourceType"] == "Observation"
    )
    assert by_patient["Patient/pt-04"] == 300
    with_encounter = {
        resource["subject"]["reference"] for resource in SEED.values() if resource["resourceType"] == "Encounter"
    }
    assert "Patient/pt-07" not in with_encounter
    in_progress = [resource for resource in SEED.values() if resource.get("status") == "in-progress"]
    assert len(in_progress) == 9
    assert all(encounter["serviceProvider"]["reference"] == "Organization/org-alder-creek" for encounter in in_progress)


def test_accounts_refer_to_what_is_in_the_store() -> None:
    accounts = load_accounts().values()
    assert {account.fhir_user for account in accounts if account.fhir_user} <= SEED.keys()
    assert {account.kind for account in accounts} == {"staff", "patient", "related-person"}
    assert [account.account_id for account in accounts if account.fhir_user is None] == ["acct-locum"]


def test_screening_results_have_the_shape_of_us_core() -> None:
    for resource in SCREENINGS:
        categories = [category["coding"][0]["code"] for category in resource["category"]]
        assert categories == ["survey", "cognitive-status"]
        values = [name for name in resource if name.startswith("value")]
        assert len(values) == (0 if "hasMember" in resource else 1)


@pytest.mark.parametrize(("panel", "total"), [("44249-1", "44261-6"), ("69737-5", "70274-6")])
def test_panel_of_a_complete_form_holds_its_items_and_a_total_that_adds_up(panel: str, total: str) -> None:
    weights = {option["code"]: weight for weight, option in enumerate(INSTRUMENTS["frequency"])}
    checked = 0
    for patient in {resource["subject"]["reference"].split("/")[1] for resource in SCREENINGS}:
        for resource in observations_of(patient, panel):
            members = [SEED[member["reference"]] for member in resource["hasMember"]]
            answers = [
                weights[member["valueCodeableConcept"]["coding"][0]["code"]]
                for member in members
                if member["id"].rpartition("item-")[1]
            ]
            totals = [member for member in members if member["code"]["coding"][0]["code"] == total]
            if patient == "pt-12" and len(answers) == 8:
                assert totals == []
                continue
            value = totals[0].get("valueInteger", totals[0].get("valueQuantity", {}).get("value"))
            assert value == sum(answers)
            checked += 1
    assert checked > 5


def test_results_that_need_care_are_there() -> None:
    statuses = {resource["status"] for resource in SCREENINGS}
    assert statuses == {"final", "preliminary", "entered-in-error"}
    assert observations_of("pt-06", "44261-6")[0]["valueQuantity"]["code"] == "{score}"
    assert observations_of("pt-03", "44260-8")[0]["valueCodeableConcept"]["text"] == "Several days"


@given(st.datetimes(min_value=datetime(2025, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # made aware by timezones
def test_adolescent_stays_fifteen_and_no_past_lies_ahead(now: datetime) -> None:
    calendar = SeedCalendar(now=now, utc_offset=-5)
    born = date.fromisoformat(calendar.birth_date(15, "09-09"))
    had_birthday = (calendar.today.month, calendar.today.day) >= (born.month, born.day)
    assert calendar.today.year - born.year - (not had_birthday) == 15
    assert calendar.moment(1, "23:59") < now
    assert calendar.minutes_ago(5) < now


def test_dates_move_with_the_day() -> None:
    later = {resource["id"]: resource for resource in build_seed(NOW + timedelta(days=100))}
    old = observations_of("pt-01", "44249-1")[0]
    moved = datetime.fromisoformat(later[old["id"]]["effectiveDateTime"])
    assert moved - datetime.fromisoformat(old["effectiveDateTime"]) == timedelta(days=100)


@pytest.mark.parametrize(
    "changes",
    [
        {"answers": [0] * 8, "total": 0},
        {"answers": [0] * 9, "total": 1},
        {"answers": [0] * 9},
        {"answers": [None, *[0] * 8], "total": 0},
    ],
)
def test_chart_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    site = json.loads((SEED_DIRECTORY / "site.json").read_text(encoding="utf-8"))
    chart = {"id": "pt-x", "names": [{"given": ["X"], "family": "Y"}], "screenings": []}
    chart["screenings"] = [{"instrument": "phq-9", "days_ago": 1, **changes}]
    builder = ChartBuilder(chart=chart, site=site, calendar=SeedCalendar(now=NOW, utc_offset=-5))
    with pytest.raises(FaultySeed, match="pt-x, screening 1"):
        list(build_screenings(builder, INSTRUMENTS))


def test_store_is_seeded_once() -> None:
    with FhirStore(":memory:", clock=lambda: NOW) as store:
        assert seed_store(store, now=NOW)
        assert not seed_store(store, now=NOW)
        with store.reading() as session:
            patient = session.find("Patient", "pt-01")
        assert patient is not None
        assert patient.version == 1
