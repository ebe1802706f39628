"""Search: every parameter type, prefixes, modifiers, sorting, paging, includes, http://hl7.org/fhir/R4/search.html."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_ehr.fhir_request import Access
from sandbox_ehr.search import parse_search
from sandbox_ehr.search_parameters import SEARCH_PARAMETERS
from sandbox_ehr.store import FhirStore
from tests.unit.sandbox_ehr.fhir_client import (
    BASE,
    EVERYTHING,
    LOINC,
    Clock,
    Ehr,
    observation,
    open_ehr,
    response,
)

# --- paging and order ---------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(total=st.integers(0, 23), count=st.integers(1, 9), more=st.integers(0, 3))
def test_pages_cover_every_match_exactly_once_whatever_is_written_meanwhile(total: int, count: int, more: int) -> None:
    with FhirStore(":memory:", clock=Clock()) as store:
        for position in range(total):
            store.put_raw(observation(id=f"o{position:02}", effectiveDateTime=f"2024-01-{position + 1:02}"))
        ehr = Ehr(store, Clock())
        page = ehr.search("Observation", ("_sort", "-date"), ("_count", str(count)))
        sizes, found = [len(page.ids)], page.ids
        while link := page.link("next"):
            for position in range(more):
                store.put_raw(observation(id=f"late{len(sizes)}-{position}", effectiveDateTime="2025-01-01"))
            page = ehr.follow(link)
            assert page.json["total"] == total
            sizes, found = [*sizes, len(page.ids)], found + page.ids
    assert found == [f"o{position:02}" for position in reversed(range(total))]
    assert all(size == count for size in sizes[:-1])
    assert 0 <= sizes[-1] <= count


def test_pages_are_of_fifty_and_never_of_more_than_two_hundred(ehr: Ehr) -> None:
    for _ in range(201):
        ehr.post(observation())
    assert len(ehr.search("Observation").ids) == 50
    most = ehr.search("Observation", ("_count", "100000"))
    assert (len(most.ids), most.json["total"]) == (200, 201)
    assert str(most.link("next")).startswith(f"{BASE}?_getpages=")
    assert len(ehr.follow(str(most.link("next"))).ids) == 1


def test_a_page_expires_and_then_is_forgotten(ehr: Ehr) -> None:
    for _ in range(3):
        ehr.post(observation())
    link = str(ehr.search("Observation", ("_count", "1")).link("next"))
    ehr.clock.advance(minutes=16)
    assert ehr.follow(link).status == 410
    ehr.clock.advance(hours=2)
    ehr.search("Observation", ("_count", "1"))
    assert ehr.follow(link).status == 404


@pytest.mark.parametrize(
    "access",
    [
        Access(scope="system/*.cruds", client_id="another"),
        Access(scope="system/Observation.s", client_id="loader"),
        Access(scope="system/*.cruds", client_id="loader", patient="ada"),
    ],
)
def test_a_page_belongs_to_the_access_that_searched(ehr: Ehr, access: Access) -> None:
    for _ in range(3):
        ehr.post(observation())
    link = str(ehr.search("Observation", ("_count", "1")).link("next"))
    assert ehr.follow(link, access).status == 403
    assert ehr.follow(link, EVERYTHING).status == 200


def test_sorting_takes_several_terms_and_puts_the_undated_last(ehr: Ehr) -> None:
    for name, date, status in (("a", "2024", "final"), ("b", "2025", "final"), ("c", "2025", "amended")):
        ehr.store.put_raw(observation(id=name, effectiveDateTime=date, status=status))
    ehr.store.put_raw(observation(id="d"))
    assert ehr.search("Observation", ("_sort", "-date,status")).ids == ["c", "b", "a", "d"]
    assert ehr.search("Observation", ("_sort", "date,-_id")).ids == ["a", "c", "b", "d"]
    assert ehr.get("Observation", ("_sort", "colour")).status == 400


def test_count_only_gives_the_total_and_no_entry(ehr: Ehr) -> None:
    ehr.post(observation())
    for query in (("_summary", "count"), ("_count", "0")):
        bundle = ehr.search("Observation", query).json
        assert (bundle["total"], "entry" in bundle) == (1, False)


# --- parameter types ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("44261-6", True),
        (f"{LOINC}|44261-6", True),
        (f"{LOINC}|", True),
        ("|44261-6", False),
        ("http://snomed.info/sct|44261-6", False),
        ("44249-1,44261-6", True),
        ("44249-1", False),
        ("44261", False),
    ],
)
def test_token_search_on_a_codeable_concept(ehr: Ehr, value: str, found: bool) -> None:
    ehr.post(observation())
    assert bool(ehr.search("Observation", ("code", value)).ids) is found


def test_token_search_on_codes_booleans_identifiers_and_contact_points(ehr: Ehr) -> None:
    ehr.store.put_raw(
        {
            "resourceType": "Patient",
            "id": "cy",
            "active": True,
            "gender": "female",
            "identifier": [{"system": "urn:mrn", "value": "M|1,2"}, {"value": "bare"}],
            "telecom": [{"system": "email", "value": "cy@example.org"}, {"system": "phone", "value": "555"}],
        }
    )
    for query in (
        ("gender", "female"),
        ("gender", "http://hl7.org/fhir/administrative-gender|female"),
        ("active", "true"),
        ("identifier", r"urn:mrn|M\|1\,2"),
        ("identifier", "|bare"),
        ("email", "cy@example.org"),
        ("phone", "555"),
        ("telecom", "cy@example.org"),
    ):
        assert ehr.search("Patient", query).ids == ["cy"], query
    for query in (("email", "555"), ("gender", "male"), ("identifier", "urn:other|bare"), ("active", "false")):
        assert ehr.search("Patient", query).ids == [], query


def test_repeated_parameters_are_and_commas_are_or(ehr: Ehr) -> None:
    ehr.store.put_raw(observation(id="a", status="final", effectiveDateTime="2024"))
    ehr.store.put_raw(observation(id="b", status="amended", effectiveDateTime="2025"))
    assert sorted(ehr.search("Observation", ("status", "final,amended")).ids) == ["a", "b"]
    assert ehr.search("Observation", ("status", "final,amended"), ("date", "ge2025")).ids == ["b"]
    assert ehr.search("Observation", ("date", "ge2024"), ("date", "lt2025")).ids == ["a"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("name", "zoë", True),
        ("name", "ZOE", True),
        ("family", "o'br", True),
        ("family", "brien", False),
        ("family:contains", "BRIEN", True),
        ("family:exact", "O'Brien", True),
        ("family:exact", "o'brien", False),
        ("name", "%", False),
        ("name", "nobody,zo", True),
        ("name", "zoey", True),
        ("address-city", "saint", True),
        ("name:missing", "false", True),
        ("name:missing", "true", False),
    ],
)
def test_string_search_folds_case_and_accents(ehr: Ehr, name: str, value: str, found: bool) -> None:
    ehr.store.put_raw(
        {
            "resourceType": "Patient",
            "id": "cy",
            "name": [{"family": "O'Brien", "given": ["Zoé", "Zoëy"]}],
            "address": [{"city": "Saint Paul"}],
        }
    )
    assert ("cy" in ehr.search("Patient", (name, value)).ids) is found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("patient", "ada", True),
        ("patient", "Patient/ada", True),
        ("patient", "Patient/bo", False),
        ("subject", "Patient/ada", True),
        ("subject:Patient", "ada", True),
        ("subject:Device", "ada", False),
        ("subject", "Practitioner/ada", False),
        ("encounter:missing", "true", True),
        ("performer:identifier", "urn:npi|1", True),
        ("performer:identifier", "urn:npi|2", False),
        ("performer:missing", "false", True),
        ("status:not", "amended", True),
        ("status:not", "final", False),
    ],
)
def test_reference_search(ehr: Ehr, name: str, value: str, found: bool) -> None:
    ehr.post(observation(performer=[{"identifier": {"system": "urn:npi", "value": "1"}}]))
    assert bool(ehr.search("Observation", (name, value)).ids) is found


def test_a_canonical_is_found_with_and_without_its_version(ehr: Ehr) -> None:
    ehr.post(response(questionnaire="http://example.org/Questionnaire/phq-9|1.0.0"))
    for value in ("http://example.org/Questionnaire/phq-9", "http://example.org/Questionnaire/phq-9|1.0.0"):
        assert len(ehr.search("QuestionnaireResponse", ("questionnaire", value)).ids) == 1
    other = ("questionnaire", "http://example.org/Questionnaire/phq-9|2.0.0")
    assert ehr.search("QuestionnaireResponse", other).ids == []


def test_uri_search_is_exact_unless_below(ehr: Ehr) -> None:
    ehr.post({"resourceType": "Questionnaire", "status": "active", "url": "http://example.org/q/phq-9"})
    for query, found in (
        (("url", "http://example.org/q/phq-9"), 1),
        (("url", "http://example.org/q"), 0),
        (("url:below", "http://example.org/q"), 1),
        (("url:below", "http://example.org/q/phq"), 0),
    ):
        assert len(ehr.search("Questionnaire", query).ids) == found, query


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("13", True),
        ("13.0", True),
        ("13.00", False),
        ("ge13", True),
        ("gt13.04", False),
        ("gt13", True),
        ("le13.04", True),
        ("lt13", False),
        ("ne14", True),
        ("ap14", True),
        ("13|http://unitsofmeasure.org|{score}", True),
        ("13||{score}", True),
        ("13|http://unitsofmeasure.org|kg", False),
    ],
)
def test_quantity_search_respects_the_precision_asked(ehr: Ehr, value: str, found: bool) -> None:
    score = {"value": 13.04, "system": "http://unitsofmeasure.org", "code": "{score}"}
    ehr.post(observation(valueQuantity=score))
    assert bool(ehr.search("Observation", ("value-quantity", value)).ids) is found


def test_search_by_id_tag_and_last_updated(ehr: Ehr) -> None:
    ehr.store.put_raw(observation(id="a", meta={"lastUpdated": "2020-01-01T00:00:00Z", "tag": [{"code": "t"}]}))
    ehr.store.put_raw(observation(id="b"))
    assert ehr.search("Observation", ("_id", "a")).ids == ["a"]
    assert ehr.search("Observation", ("_id", "b,a,nobody")).ids == ["a", "b"]
    assert ehr.search("Observation", ("_tag", "t")).ids == ["a"]
    assert ehr.search("Observation", ("_lastUpdated", "lt2025")).ids == ["a"]


def test_only_the_current_version_is_found(ehr: Ehr) -> None:
    created = ehr.post(observation()).json
    ehr.put({**created, "status": "amended"})
    assert ehr.search("Observation", ("status", "final")).ids == []
    assert ehr.search("Observation", ("status", "amended")).ids == [created["id"]]


def test_search_by_post_takes_a_form(ehr: Ehr) -> None:
    ehr.post(observation())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = ehr.send("POST", "Observation/_search", b"patient=Patient%2Fada&code=44261-6", headers=form)
    assert (reply.status, reply.json["total"]) == (200, 1)
    assert ehr.send("POST", "Observation/_search", b"patient=bo", headers=form).json["total"] == 0
    assert ehr.send("POST", "Observation/_search", b"patient=ada").status == 415


@pytest.mark.parametrize(
    "query",
    [
        ("colour", "red"),
        ("subject.name", "x"),
        ("_has:Provenance:target:agent", "x"),
        ("code:text", "x"),
        ("date:exact", "2024"),
        ("code", ""),
        ("code", "a|b|c"),
        ("status:missing", "maybe"),
        ("_count", "-1"),
        ("_summary", "true"),
        ("_total", "perhaps"),
        ("_include", "Patient:link"),
        ("_include", "Observation:nothing"),
        ("_include", "*"),
        ("_include:iterate", "Observation:subject"),
        ("_elements", "status"),
        ("_revinclude", "Provenance:recorded"),
        ("value-quantity", "many"),
        ("value-quantity", "NaN"),
        ("value-quantity", "1|2"),
    ],
)
def test_what_is_not_understood_is_refused(ehr: Ehr, query: tuple[str, str]) -> None:
    assert ehr.get("Observation", query).status == 400


@settings(deadline=None, max_examples=300)
@given(
    name=st.sampled_from(
        [*SEARCH_PARAMETERS["Observation"], "_sort", "_count", "_include", "_revinclude", "_getpages"]
    ),
    modifier=st.sampled_from(["", ":missing", ":not", ":exact", ":identifier", ":Patient", ":below"]),
    value=st.text(st.characters(codec="utf-8"), max_size=12)
    | st.from_regex(r"(eq|ap|gt)?-?[0-9]{1,4}[-.eE][0-9]{1,9}"),
)
def test_any_parameter_with_any_value_is_answered_or_refused(name: str, modifier: str, value: str) -> None:
    with FhirStore(":memory:", clock=Clock()) as store:
        assert Ehr(store, Clock()).get("Observation", (name + modifier, value)).status in {200, 400}


def test_lenient_handling_leaves_out_the_unknown_and_says_so(ehr: Ehr) -> None:
    ehr.post(observation())
    reply = ehr.search("Observation", ("colour", "red"), ("patient", "ada"), Prefer="handling=lenient")
    outcome = reply.json["entry"][-1]
    assert (reply.json["total"], outcome["search"]["mode"]) == (1, "outcome")
    assert outcome["resource"]["issue"][0]["severity"] == "warning"
    assert ehr.get("Observation", ("date", "never"), Prefer="handling=lenient").status == 400


def test_include_and_revinclude_add_what_the_matches_are_linked_with(ehr: Ehr) -> None:
    created = ehr.post(observation()).json
    ehr.post(
        {
            "resourceType": "Provenance",
            "target": [{"reference": f"Observation/{created['id']}"}],
            "recorded": "2026-03-01T12:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/dr"}}],
        }
    )
    query = (("_include", "Observation:subject"), ("_revinclude", "Provenance:target"))
    entries = ehr.search("Observation", *query).json["entry"]
    shown = [(entry["resource"]["resourceType"], entry["search"]["mode"]) for entry in entries]
    assert shown == [("Observation", "match"), ("Patient", "include"), ("Provenance", "include")]
    narrow = Access(scope="system/Observation.rs system/Provenance.r", client_id="c")
    entries = ehr.search("Observation", *query, access=narrow).json["entry"]
    assert [entry["resource"]["resourceType"] for entry in entries] == ["Observation", "Provenance"]
    assert len(ehr.search("Observation", ("_include", "Observation:subject:Device")).json["entry"]) == 1


def test_includes_come_with_every_page(ehr: Ehr) -> None:
    ehr.post(observation("ada"))
    ehr.post(observation("bo"))
    first = ehr.search("Observation", ("_count", "1"), ("_include", "Observation:subject"))
    second = ehr.follow(str(first.link("next")))
    included = [page.json["entry"][1]["resource"]["id"] for page in (first, second)]
    assert included == ["ada", "bo"]


def test_the_usual_searches_read_an_index_and_never_the_bodies() -> None:
    usual = [("patient", "ada"), ("category", "survey"), ("date", "ge2020"), ("code", "44261-6"), ("_id", "x")]
    with open_ehr() as ehr, ehr.store.reading() as session:
        connection = session._connection
        for pair in usual:
            (criterion,) = parse_search("Observation", [pair], now=ehr.clock()).criteria
            text = f"EXPLAIN QUERY PLAN SELECT v.key FROM resource_version v WHERE v.type = 'Observation' AND {criterion.text}"  # noqa: S608, E501
            plan = [row[3] for row in connection.execute(text, criterion.args)]
            assert any("search_index" in step or " s USING" in step for step in plan), plan
            assert not any(step.startswith("SCAN") for step in plan), plan
