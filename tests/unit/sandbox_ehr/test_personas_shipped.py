"""The personas of real EHRs: each accepts the one thing it is known to accept, and every rule of theirs bites."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox_ehr.fhir_request import Access
from sandbox_ehr.persona import Rule
from sandbox_ehr.personas import list_personas, load_persona
from tests.unit.sandbox_ehr.app_driver import AppDriver, build_driver
from tests.unit.sandbox_ehr.fhir_client import BASE, Ehr, observation, open_ehr, post_entry, response, transaction

PROVIDER = Access(
    scope="user/*.cruds patient/*.cruds", client_id="app", patient="ada", encounter="visit-ada", user="Practitioner/dr"
)
TEXT = base64.b64encode(b"PHQ-9 total 13. Reference SS-ABCD-EFGH").decode()
VITAL_SIGNS = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
Change = Callable[[dict[str, Any]], object]


@contextmanager
def open_persona(name: str) -> Iterator[Ehr]:
    with open_ehr(persona=load_persona(name)) as ehr:
        yield ehr


def note(content_type: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:00000000-0000-4000-8000-000000000001"}],
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11506-3"}]},
        "subject": {"reference": "Patient/ada"},
        "author": [{"reference": "Practitioner/dr"}],
        "content": [{"attachment": {"contentType": content_type, "data": TEXT}}],
        "context": {"encounter": [{"reference": "Encounter/visit-ada"}], "period": {"end": "2026-03-01T12:00:00Z"}},
        **elements,
    }


def vital_sign(**elements: Any) -> dict[str, Any]:
    heart_rate = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    visit = {"reference": "Encounter/visit-ada"}
    return observation(
        category=[{"coding": [VITAL_SIGNS]}],
        code=heart_rate,
        encounter=visit,
        effectiveDateTime="2026-03-01T12:00:00Z",
        **elements,
    )


def own_response(profile: str) -> dict[str, Any]:
    return response(meta={"profile": [profile]}, questionnaire="urn:uuid:00000000-0000-4000-8000-00000000000a")


def message(text: str = "Hello") -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": "Patient/ada"},
        "payload": [{"contentString": text}],
    }


ACCEPTED: dict[str, list[dict[str, Any]]] = {
    "epic": [note("text/plain"), note("text/plain; charset=utf-8", docStatus="preliminary"), vital_sign()],
    "oracle": [
        note("text/plain;charset=utf-8"),
        note("application/pdf"),
        note("text/html; charset=UTF-8"),
        vital_sign(),
    ],
    "athena": [own_response("https://athenahealth.example/StructureDefinition/response")],
    "meditech": [own_response("https://meditech.example/StructureDefinition/response"), message()],
}


def attachment(resource: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resource["content"][0]["attachment"]
    return found


def put_out_of_line(resource: dict[str, Any]) -> None:
    attachment(resource)["url"] = "urn:x"
    del attachment(resource)["data"]


def repeat(name: str) -> Change:
    return lambda resource: resource[name].append(resource[name][0])


def put(name: str, value: Any) -> Change:
    return lambda resource: resource.__setitem__(name, value)


def drop(*path: str) -> Change:
    def change(resource: dict[str, Any]) -> None:
        for name in path[:-1]:
            resource = resource[name]
        del resource[path[-1]]

    return change


def code(value: str, system: str = "http://loinc.org") -> Change:
    return put("type", {"coding": [{"system": system, "code": value}]})


MODIFIER = put("modifierExtension", [{"url": "urn:x", "valueBoolean": True}])
ANY_RESPONSE = put("questionnaire", "urn:uuid:00000000-0000-4000-8000-00000000000a")
TWO_SYSTEMS = put(
    "type", {"coding": [{"system": "http://loinc.org", "code": "11506-3"}, {"system": "urn:72", "code": "1"}]}
)

BROKEN: list[tuple[str, dict[str, Any], Change, str]] = [
    ("epic", vital_sign(), put("category", observation()["category"]), "Observation.code"),
    ("epic", vital_sign(), lambda r: r["code"]["coding"].append({"code": "local"}), "Observation.code"),
    ("epic", vital_sign(), drop("encounter"), "Observation.encounter"),
    ("epic", vital_sign(), put("status", "preliminary"), "Observation.status"),
    ("epic", note("text/plain"), MODIFIER, "DocumentReference"),
    ("epic", note("text/plain"), put("implicitRules", "urn:x"), "DocumentReference"),
    ("epic", note("text/plain"), drop("subject"), "DocumentReference.subject"),
    ("epic", note("text/plain"), drop("context", "encounter"), "DocumentReference.context.encounter"),
    ("epic", note("text/plain"), drop("type"), "DocumentReference.type"),
    ("epic", note("text/plain"), code("18842-5"), "DocumentReference.type"),
    ("epic", note("text/plain"), put("status", "superseded"), "DocumentReference.status"),
    ("epic", note("text/plain"), drop("docStatus"), "DocumentReference.docStatus"),
    ("epic", note("text/html"), lambda _: None, "DocumentReference.content.attachment.contentType"),
    (
        "epic",
        note("text/plain"),
        put_out_of_line,
        "DocumentReference.content.attachment.data",
    ),
    ("epic", response(), ANY_RESPONSE, "QuestionnaireResponse.subject"),
    ("epic", message(), lambda _: None, "Communication"),
    ("oracle", vital_sign(), put("category", observation()["category"]), "Observation.category"),
    ("oracle", vital_sign(), repeat("category"), "Observation.category"),
    ("oracle", vital_sign(), put("status", "preliminary"), "Observation.status"),
    ("oracle", vital_sign(), drop("effectiveDateTime"), "Observation.effective"),
    ("oracle", note("text/html;charset=utf-8"), MODIFIER, "DocumentReference"),
    ("oracle", note("application/pdf"), put("status", "superseded"), "DocumentReference.status"),
    ("oracle", note("application/pdf"), put("docStatus", "preliminary"), "DocumentReference.docStatus"),
    ("oracle", note("application/pdf"), drop("subject"), "DocumentReference.subject"),
    ("oracle", note("application/pdf"), drop("type"), "DocumentReference.type"),
    ("oracle", note("application/pdf"), TWO_SYSTEMS, "DocumentReference.type"),
    ("oracle", note("application/pdf"), drop("author"), "DocumentReference.author"),
    ("oracle", note("application/pdf"), repeat("author"), "DocumentReference.author"),
    ("oracle", note("application/pdf"), put("author", [{"reference": "Patient/ada"}]), "DocumentReference.author"),
    (
        "oracle",
        note("application/pdf"),
        put("authenticator", {"reference": "Practitioner/dr"}),
        "DocumentReference.authenticator",
    ),
    ("oracle", note("application/pdf"), repeat("content"), "DocumentReference.content"),
    (
        "oracle",
        note("application/pdf"),
        put_out_of_line,
        "DocumentReference.content.attachment.data",
    ),
    ("oracle", note("image/png"), lambda _: None, "DocumentReference.content.attachment.contentType"),
    ("oracle", note("text/plain"), lambda _: None, "DocumentReference.content.attachment.contentType"),
    ("oracle", note("application/pdf"), drop("context", "encounter"), "DocumentReference.context.encounter"),
    ("oracle", note("application/pdf"), drop("context", "period"), "DocumentReference.context.period.end"),
    (
        "oracle",
        note("application/pdf"),
        lambda r: r["context"]["period"].update(end="2026-03-01"),
        "DocumentReference.context.period.end",
    ),
    ("athena", own_response("https://athenahealth.example/x"), drop("meta"), "QuestionnaireResponse.meta.profile"),
    (
        "athena",
        own_response("https://athenahealth.example/x"),
        drop("questionnaire"),
        "QuestionnaireResponse.questionnaire",
    ),
    ("meditech", own_response("https://meditech.example/x"), drop("meta"), "QuestionnaireResponse.meta.profile"),
    (
        "meditech",
        own_response("https://meditech.example/x"),
        drop("questionnaire"),
        "QuestionnaireResponse.questionnaire",
    ),
]


def copy(resource: Mapping[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(resource))
    return copied


@pytest.mark.parametrize(
    ("name", "resource"), [(name, resource) for name, listed in ACCEPTED.items() for resource in listed]
)
def test_a_persona_takes_what_its_ehr_takes(name: str, resource: dict[str, Any]) -> None:
    with open_persona(name) as ehr:
        reply = ehr.post(resource, access=PROVIDER)
        assert reply.status == 201, reply.text
        assert ehr.store.requests()[-1].written


@pytest.mark.parametrize(("name", "resource", "change", "element"), BROKEN)
def test_one_departure_is_refused_by_name_and_nothing_is_kept(
    name: str, resource: dict[str, Any], change: Change, element: str
) -> None:
    broken = copy(resource)
    change(broken)
    with open_persona(name) as ehr:
        refused = ehr.post(broken, access=PROVIDER)
        assert refused.status in {400, 422}
        assert element in refused.expressions, refused.text
        assert not any(logged.written for logged in ehr.store.requests())


def test_every_rule_of_every_persona_is_among_the_departures() -> None:
    seen: set[tuple[str, Rule]] = set()
    for name, resource, change, _ in BROKEN:
        broken = copy(resource)
        change(broken)
        found = load_persona(name).find_broken_rule(broken, "create", user="Practitioner/dr")
        assert found is not None
        seen.add((name, found[0]))
    rules = {(name, rule) for name in list_personas() for rule in load_persona(name).rules}
    assert [f"{name}: {rule.requires}" for name, rule in rules - seen] == []


@pytest.mark.parametrize("name", list_personas())
def test_every_departure_has_its_source(name: str) -> None:
    assert all(len(origin.source) > 20 for _, origin in load_persona(name).list_origins())


def test_epic_refuses_a_survey_observation_with_its_own_error_code() -> None:
    with open_persona("epic") as ehr:
        refused = ehr.post(observation(encounter={"reference": "Encounter/visit-ada"}), access=PROVIDER)
    assert refused.status == 400
    assert refused.issue["code"] == "business-rule"
    (coding,) = refused.issue["details"]["coding"]
    assert (coding["system"], coding["code"]) == ("urn:oid:1.2.840.114350.1.13.0.1.7.2.657369", "59188")


def test_epic_keeps_the_first_attachment_and_no_identifier() -> None:
    with open_persona("epic") as ehr:
        sent = note("text/plain")
        sent["content"].append({"attachment": {"contentType": "text/html", "data": TEXT}})
        reply = ehr.post(sent, access=PROVIDER)
        assert (reply.status, reply.text, "ETag" in reply.headers) == (201, "", False)
        location = reply.headers["Location"]
        assert location.startswith("DocumentReference/")
        assert location.count("/") == 1
        kept = ehr.get(location).json
        assert "identifier" not in kept
        assert [entry["attachment"]["contentType"] for entry in kept["content"]] == ["text/plain"]
        assert kept["content"][0]["attachment"]["data"] == TEXT


def test_epic_gives_the_representation_to_who_prefers_it() -> None:
    with open_persona("epic") as ehr:
        reply = ehr.post(note("text/plain"), access=PROVIDER, Prefer="return=representation")
        assert reply.json["resourceType"] == "DocumentReference"


def test_epic_files_a_second_note_when_one_is_repeated() -> None:
    with open_persona("epic") as ehr:
        for _ in range(2):
            reply = ehr.post(note("text/plain"), access=PROVIDER, If_None_Exist="identifier=urn:ietf:rfc:3986|x")
            assert reply.status == 201
        assert len(ehr.search("DocumentReference", ("patient", "ada")).ids) == 2


def test_epic_ignores_a_search_by_identifier_and_says_so() -> None:
    with open_persona("epic") as ehr:
        ehr.post(note("text/plain"), access=PROVIDER)
        found = ehr.search("DocumentReference", ("patient", "ada"), ("identifier", "urn:ietf:rfc:3986|nothing"))
        assert len(found.ids) == 1
        (outcome,) = [entry["resource"] for entry in found.json["entry"] if entry["search"]["mode"] == "outcome"]
        assert "identifier" in outcome["issue"][0]["details"]["text"]
        assert ehr.get("DocumentReference", ("identifier", "urn:ietf:rfc:3986|nothing")).status == 400


def test_epic_reads_only_the_form_of_a_search_by_post() -> None:
    with open_persona("epic") as ehr:
        ehr.post(note("text/plain"), access=PROVIDER)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        query = [("type", "http://loinc.org|no-such-type")]
        found = ehr.send("POST", "DocumentReference/_search", b"patient=ada", query=query, headers=form)
        assert len(found.ids) == 1


@pytest.mark.parametrize("name", ["epic", "oracle", "athena", "meditech", "read-only"])
def test_no_real_ehr_has_transactions_or_conditional_create(name: str) -> None:
    with open_persona(name) as ehr:
        statement = ehr.get("metadata", access=None).json["rest"][0]
        assert ehr.post(transaction(post_entry(observation())), "", access=PROVIDER).status == 405
        assert "transaction" not in [entry["code"] for entry in statement.get("interaction", [])]
        assert not any(row["conditionalCreate"] for row in statement["resource"])


def test_epic_answers_an_invalid_resource_with_400_and_a_missing_right_with_nothing() -> None:
    reader = Access(scope="patient/DocumentReference.rs", client_id="app", patient="ada")
    with open_persona("epic") as ehr:
        assert ehr.post(note("text/plain", status="bogus"), access=PROVIDER).status == 400
        refused = ehr.post(note("text/plain"), access=reader)
        assert (refused.status, refused.text) == (403, "")


@pytest.mark.parametrize("name", ["epic", "oracle", "meditech"])
def test_an_update_creates_nothing(name: str) -> None:
    resource = ACCEPTED[name][0] | {"id": "of-the-client"}
    with open_persona(name) as ehr:
        assert ehr.put(resource, access=PROVIDER).status == 404
        assert not any(logged.written for logged in ehr.store.requests())


def test_oracle_answers_with_an_absolute_location_an_etag_and_no_body() -> None:
    with open_persona("oracle") as ehr:
        reply = ehr.post(note("text/plain;charset=utf-8"), access=PROVIDER, Prefer="return=representation")
        assert (reply.status, reply.text, reply.headers["ETag"]) == (201, "", 'W/"1"')
        location = reply.headers["Location"]
        assert location.startswith(f"{BASE}/DocumentReference/")
        assert "_history" not in location
        kept = ehr.get(location.removeprefix(f"{BASE}/")).json
        assert kept["author"] == [{"reference": "Practitioner/dr"}]
        assert "identifier" not in kept


def test_oracle_wants_the_author_as_its_token_names_the_user() -> None:
    nobody = Access(scope="user/*.cruds", client_id="app", patient="ada")
    with open_persona("oracle") as ehr:
        assert ehr.post(note("application/pdf"), access=nobody).status == 422
        absolute = note("application/pdf", author=[{"reference": f"{BASE}/Practitioner/dr"}])
        assert ehr.post(absolute, access=PROVIDER).status == 201


def test_oracle_refuses_an_unknown_element_with_422() -> None:
    with open_persona("oracle") as ehr:
        assert ehr.post(note("application/pdf", colour="red"), access=PROVIDER).status == 422


def test_oracle_updates_only_the_version_that_if_match_names() -> None:
    with open_persona("oracle") as ehr:
        location = ehr.post(note("application/pdf"), access=PROVIDER).headers["Location"].removeprefix(f"{BASE}/")
        changed = {**note("application/pdf"), "id": location.partition("/")[2], "description": "Corrected"}
        assert ehr.put(changed, access=PROVIDER).status == 412
        assert ehr.put(changed, access=PROVIDER, If_Match='W/"7"').status == 409
        assert ehr.put(changed, access=PROVIDER, If_Match='W/"1"').status == 200


def test_oracle_searches_notes_by_patient_and_not_by_identifier() -> None:
    with open_persona("oracle") as ehr:
        ehr.post(note("application/pdf"), access=PROVIDER)
        assert len(ehr.search("DocumentReference", ("patient", "ada"), ("period", "ge2026-02-28")).ids) == 1
        assert ehr.get("DocumentReference", ("patient", "ada"), ("identifier", "x")).status == 400
        assert ehr.get("DocumentReference", ("period", "ge2026-02-28")).status == 400
        statement = ehr.get("metadata", access=None).json["rest"][0]["resource"]
        (row,) = [row for row in statement if row["type"] == "DocumentReference"]
        assert "identifier" not in {parameter["name"] for parameter in row["searchParam"]}


def test_oracle_answers_another_media_type_with_an_empty_406() -> None:
    with open_persona("oracle") as ehr:
        refused = ehr.get("Patient/ada", Accept="application/fhir+xml")
        assert (refused.status, refused.text) == (406, "")


@pytest.mark.parametrize("name", ["athena", "meditech"])
def test_the_others_take_neither_observation_nor_note(name: str) -> None:
    with open_persona(name) as ehr:
        assert ehr.post(observation(), access=PROVIDER).status == 405
        assert ehr.post(note("text/plain"), access=PROVIDER).status == 405


@contextmanager
def at_persona(name: str) -> Iterator[AppDriver]:
    driver = build_driver(persona=name)
    yield driver
    driver.app.close()


def test_epic_spells_granted_scopes_as_smart_1_does_and_lists_few() -> None:
    with at_persona("epic") as driver:
        token = driver.get_token(scope="launch openid fhirUser patient/Patient.r patient/DocumentReference.crs")
        assert token["scope"].split()[3:] == [
            "patient/Patient.read",
            "patient/DocumentReference.read",
            "patient/DocumentReference.write",
        ]
        configuration = driver.http.get("/fhir/.well-known/smart-configuration").get_json()
        assert configuration["scopes_supported"] == ["launch", "openid", "fhirUser", "profile"]
        assert {"permission-v2", "launch-ehr"} <= set(configuration["capabilities"])
        assert not {"context-standalone-encounter", "permission-online"} & set(configuration["capabilities"])


def test_oracle_gives_tokens_of_less_than_ten_minutes() -> None:
    with at_persona("oracle") as driver:
        token = driver.get_token()
        assert token["expires_in"] == 570
        driver.clock.forward(seconds=569)
        assert driver.read("Patient/pt-01", token["access_token"]).status_code == 200
        driver.clock.forward(seconds=1)
        assert driver.read("Patient/pt-01", token["access_token"]).status_code == 401
