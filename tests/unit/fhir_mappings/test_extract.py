"""What signing writes: order, dependencies, and what a shape leaves out."""

import base64
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import pytest
from lxml import etree

from fhir_mappings.administration import Informant
from fhir_mappings.errors import MissingOrganization, UnsupportedContentType
from fhir_mappings.extract import PlannedResource, build_chart_resources, shapes_for
from fhir_mappings.result import SignedResult
from fhir_mappings.scoring import score_answers
from fhir_mappings.write_shape import ALL_SHAPES, MENTAL_HEALTH_PROGRESS_NOTE, ResourceKind, WriteShape
from tests.unit.fhir_mappings.factories import administration, answers_of, gad7, instrument_of, phq9, signed_result

FULL = [2, 2, 3, 2, 0, 1, 2, 0, 1, 1]


def result(**overrides: Any) -> SignedResult:
    return signed_result(phq9(), answers_of(phq9(), FULL), **overrides)


def plan(signed: SignedResult, *shapes: WriteShape) -> tuple[PlannedResource, ...]:
    return build_chart_resources(signed, shapes or shapes_for(signed), lambda key: uuid5(UUID(int=7), key))


def of_kind(planned: tuple[PlannedResource, ...], kind: ResourceKind) -> dict[str, Any]:
    (found,) = [resource.resource for resource in planned if resource.kind is kind]
    return found


def test_the_plan_is_in_write_order_and_depends_only_backwards() -> None:
    planned = plan(result())
    assert [resource.key for resource in planned] == [
        "questionnaire-response",
        *(f"observation:phq9-{n}" for n in range(1, 11)),
        "observation:phq9-total",
        "observation:panel",
        "document-reference",
        "provenance",
    ]
    seen: set[str] = set()
    for resource in planned:
        assert set(resource.depends_on) <= seen
        seen.add(resource.key)
    panel = next(resource for resource in planned if resource.key == "observation:panel")
    assert len(panel.depends_on) == 12
    assert set(planned[-1].depends_on) == seen - {"provenance"}


def test_two_runs_agree() -> None:
    assert plan(result()) == plan(result())


@pytest.mark.parametrize("left_out", list(ResourceKind))
def test_nothing_refers_to_a_kind_that_is_not_written(left_out: ResourceKind) -> None:
    planned = plan(result(), *(shape for shape in ALL_SHAPES if shape.kind is not left_out))
    assert left_out not in {resource.kind for resource in planned}
    urls = {resource.full_url for resource in planned}
    text = str([resource.resource for resource in planned])
    assert all(url.split("'")[0] in urls for url in ("urn:uuid:" + rest for rest in text.split("urn:uuid:")[1:]))


def test_a_note_alone_is_a_whole_plan() -> None:
    (note,) = plan(result(), WriteShape(kind=ResourceKind.DOCUMENT_REFERENCE))
    assert note.depends_on == ()
    assert "related" not in note.resource["context"]


def test_a_panel_without_members_is_not_written() -> None:
    assert plan(result(), WriteShape(kind=ResourceKind.OBSERVATION_PANEL)) == ()
    assert plan(result(), WriteShape(kind=ResourceKind.PROVENANCE)) == ()


def test_a_shape_gives_the_note_the_form_that_an_ehr_takes() -> None:
    shape = WriteShape(
        kind=ResourceKind.DOCUMENT_REFERENCE,
        profile=False,
        include_identifier=False,
        include_narrative=False,
        note_content_types=("text/plain",),
        note_type=MENTAL_HEALTH_PROGRESS_NOTE,
        note_category=False,
        doc_status="preliminary",
        authenticator=False,
        related=False,
    )
    (note,) = plan(result(), shape)
    assert note.search is None
    assert note.resource.keys() == {
        "resourceType",
        "status",
        "docStatus",
        "type",
        "subject",
        "date",
        "author",
        "description",
        "content",
        "context",
    }
    assert note.resource["docStatus"] == "preliminary"
    assert note.resource["type"]["coding"][0]["code"] == "34904-3"
    assert [content["attachment"]["contentType"] for content in note.resource["content"]] == ["text/plain"]
    (bare,) = plan(result(), replace(shape, doc_status=None))
    assert "docStatus" not in bare.resource


def test_a_shape_without_profile_identifier_or_narrative_leaves_them_out_everywhere() -> None:
    shapes = [replace(shape, profile=False, include_identifier=False, include_narrative=False) for shape in ALL_SHAPES]
    for resource in plan(result(), *shapes):
        assert not {"meta", "identifier", "text"} & resource.resource.keys()
        assert resource.search is None


def test_an_unknown_content_type_is_refused() -> None:
    with pytest.raises(UnsupportedContentType):
        plan(result(), WriteShape(kind=ResourceKind.DOCUMENT_REFERENCE, note_content_types=("application/pdf",)))


def test_without_organization_there_is_no_provenance() -> None:
    lonely = result(organization=None)
    assert ResourceKind.PROVENANCE not in {shape.kind for shape in shapes_for(lonely)}
    with pytest.raises(MissingOrganization):
        plan(lonely, *ALL_SHAPES)


def test_provenance_names_whom_each_practitioner_and_device_acts_for() -> None:
    provenance = of_kind(plan(result()), ResourceKind.PROVENANCE)
    roles = {agent["type"]["coding"][0]["code"]: agent for agent in provenance["agent"]}
    assert roles.keys() == {"author", "verifier", "informant", "assembler"}
    assert "onBehalfOf" not in roles["informant"]
    for role in ("author", "verifier", "assembler"):
        assert roles[role]["onBehalfOf"]["reference"] == "Organization/alder-creek"
    assert provenance["contained"][0]["resourceType"] == "Device"
    assert provenance["recorded"] == "2026-11-23T15:55:00Z"


def test_a_proxy_is_informant_and_performer() -> None:
    planned = plan(result(administration=administration(informant=Informant.PROXY, relationship="mother")))
    provenance = of_kind(planned, ResourceKind.PROVENANCE)
    assert provenance["agent"][2]["who"] == {"display": "mother of the patient"}
    total = of_kind(planned, ResourceKind.OBSERVATION_TOTAL)
    assert [performer["display"] for performer in total["performer"]] == ["mother of the patient", "Miriam Okafor, MD"]


def test_answers_stay_with_their_own_encounter_and_the_note_with_the_signature() -> None:
    planned = plan(result(answered_encounter="Encounter/monday"))
    assert of_kind(planned, ResourceKind.QUESTIONNAIRE_RESPONSE)["encounter"] == {"reference": "Encounter/monday"}
    assert of_kind(planned, ResourceKind.OBSERVATION_TOTAL)["encounter"] == {"reference": "Encounter/monday"}
    context = of_kind(planned, ResourceKind.DOCUMENT_REFERENCE)["context"]
    assert context["encounter"] == [{"reference": "Encounter/visit"}]


def test_without_encounter_none_is_claimed() -> None:
    planned = plan(result(encounter=None))
    assert "Encounter" not in str([resource.resource for resource in planned])


def test_a_prorated_total_is_marked_wherever_it_stands() -> None:
    answers = answers_of(phq9(), [None, 3, 3, 3, 1, 0, 0, 0, 0])
    planned = plan(signed_result(phq9(), answers, report=score_answers(phq9(), answers, prorate=True).value))
    total = of_kind(planned, ResourceKind.OBSERVATION_TOTAL)
    label = "prorated from 8 of 9 items, rule of APA"
    assert total["valueQuantity"]["value"] == 11
    assert total["method"] == {"text": label}
    assert label in total["note"][0]["text"]
    note = of_kind(planned, ResourceKind.DOCUMENT_REFERENCE)
    assert label in base64.b64decode(note["content"][0]["attachment"]["data"]).decode()
    response = of_kind(planned, ResourceKind.QUESTIONNAIRE_RESPONSE)
    assert "phq9-total" not in {item["linkId"] for item in response["item"]}


def test_a_surely_positive_result_says_at_least_and_writes_no_number() -> None:
    answers = answers_of(phq9(), [None, 3, 3, 3, 1, 0, 0, 0, 0])
    total = of_kind(plan(signed_result(phq9(), answers)), ResourceKind.OBSERVATION_TOTAL)
    assert "valueQuantity" not in total
    assert total["interpretation"][0]["coding"][0]["code"] == "POS"
    assert "at least 10" in total["interpretation"][0]["text"]


def test_an_open_risk_is_said_beside_a_negative_total() -> None:
    answers = answers_of(phq9(), [0] * 8 + [1])
    total = of_kind(plan(signed_result(phq9(), answers)), ResourceKind.OBSERVATION_TOTAL)
    assert total["interpretation"][0]["coding"][0]["code"] == "NEG"
    assert "risk item" in total["note"][0]["text"]
    quiet = of_kind(plan(signed_result(phq9(), answers_of(phq9(), [0] * 9))), ResourceKind.OBSERVATION_TOTAL)
    assert "risk item" not in quiet["note"][0]["text"]


def test_a_risk_answer_where_the_item_was_not_asked_writes_no_level_and_no_interpretation() -> None:
    asq = instrument_of("asq")
    answers = answers_of(asq, [1, 1, 1, 1, 0])
    report = score_answers(asq, answers).value
    unasked = {"asq-5": answers.pop("asq-5")}
    level = of_kind(plan(signed_result(asq, answers, report=report, unasked=unasked)), ResourceKind.OBSERVATION_TOTAL)
    assert "interpretation" not in level
    assert "valueCodeableConcept" not in level
    assert level["dataAbsentReason"]["text"] == "a risk answer was given to an item that was not asked"


def test_what_a_person_typed_stays_text_in_every_form() -> None:
    typed = "<script>alert(1)</script> & \x00 é 😀\nsecond line\n\nnext paragraph"
    planned = plan(result(note_text=typed))
    plain, xhtml = (
        base64.b64decode(content["attachment"]["data"])
        for content in of_kind(planned, ResourceKind.DOCUMENT_REFERENCE)["content"]
    )
    assert plain.decode().startswith("<script>alert(1)</script> & \ufffd é 😀\nsecond line")
    document = etree.fromstring(xhtml)
    names = {etree.QName(element).localname for element in document.iter()}
    assert names == {"html", "head", "title", "body", "p", "br"}
    assert "<script>alert(1)</script> & \ufffd é 😀" in "".join(map(str, document.itertext()))


def test_narratives_are_xhtml_divs_with_content() -> None:
    for resource in plan(result()):
        text = resource.resource["text"]
        div = etree.fromstring(text["div"])
        assert div.tag == "{http://www.w3.org/1999/xhtml}div"
        assert "".join(map(str, div.itertext())).strip()
        assert text["status"] == "generated"


def test_gad7_writes_its_own_codes() -> None:
    planned = plan(signed_result(gad7(), answers_of(gad7(), [1] * 8)))
    codes = [r.resource["code"]["coding"][0]["code"] for r in planned if r.resource["resourceType"] == "Observation"]
    assert codes[-2:] == ["70274-6", "69737-5"]
    assert len(codes) == 10
