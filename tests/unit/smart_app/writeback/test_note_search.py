"""A note is ours by its own line "Reference SS-…", in a note of our patient; what cannot be read tells nothing."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launch.capabilities import Capabilities
from launch.fhir_reader import FhirResource
from smart_app.model.approval import Approval
from smart_app.writeback.note_search import find_note_search, has_reference_line
from tests.fakes.ehr_door import FakeChart, capabilities, open_fake_door
from tests.fakes.signing import open_units, sign_reviewed


def note(text: str | None, *, subject: str = "Patient/rosa", **attachment: Any) -> FhirResource:
    content = {"contentType": "text/plain", **attachment}
    if text is not None:
        content["data"] = b64encode(text.encode()).decode()
    resource = {"resourceType": "DocumentReference", "subject": {"reference": subject}}
    return FhirResource(
        resource_type="DocumentReference",
        id="n",
        version_id=None,
        resource={**resource, "content": [{"attachment": content}]},
    )


@pytest.fixture(scope="module")
def approval(tmp_path_factory: pytest.TempPathFactory) -> Approval:
    folder: Path = tmp_path_factory.mktemp("signed")
    with open_units(folder) as units:
        return sign_reviewed(units, open_fake_door(FakeChart()))


def test_the_line_alone_makes_a_note_ours(approval: Approval) -> None:
    door, line = open_fake_door(FakeChart()), f"Reference {approval.reference_code}"
    assert has_reference_line(note(f"PHQ-9\n{line}\n"), approval, door) is True
    assert has_reference_line(note(f"PHQ-9\r\n  {line}  \r\nend"), approval, door) is True
    assert has_reference_line(note(f"see the note with {line}"), approval, door) is False
    assert has_reference_line(note(f"{line}0"), approval, door) is False


def test_a_note_of_another_patient_is_never_ours(approval: Approval) -> None:
    text = f"Reference {approval.reference_code}"
    assert has_reference_line(note(text, subject="Patient/other"), approval, open_fake_door(FakeChart())) is False


@pytest.mark.parametrize(
    "attachment", [{"data": "***"}, {"url": "Binary/gone"}, {"url": "https://other.example/x"}, {}]
)
def test_what_cannot_be_read_tells_nothing(approval: Approval, attachment: dict[str, Any]) -> None:
    assert has_reference_line(note(None, **attachment), approval, open_fake_door(FakeChart())) is None


def test_another_kind_of_content_is_not_ours(approval: Approval) -> None:
    scan = note(None, contentType="application/pdf")
    assert has_reference_line(scan, approval, open_fake_door(FakeChart())) is False


def listing(*names: str) -> Capabilities:
    known = capabilities()
    return replace(
        known, resources={name: replace(c, search_params=frozenset(names)) for name, c in known.resources.items()}
    )


def test_the_search_narrows_by_what_the_note_states_and_the_ehr_lists(tmp_path: Path) -> None:
    with open_units(tmp_path) as units:
        signed = sign_reviewed(units, open_fake_door(FakeChart()))
        with units.read() as unit:
            row = next(row for row in unit.ledger.rows_of(signed.id) if row.resource_type == "DocumentReference")
    narrow = dict(find_note_search(row, signed, listing("patient", "category", "period")))
    assert narrow["patient"] == "rosa"
    assert narrow["category"].endswith("|clinical-note")
    assert narrow["period"].startswith("ge20")
    assert find_note_search(row, signed, listing("patient")) == [("patient", "rosa")]
    assert find_note_search(row, signed, listing("category", "period")) == []
