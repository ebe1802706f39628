"""A note is ours by its own line "Reference SS-…", in a note of our patient; what cannot be read tells nothing."""

from __future__ import annotations

from base64 import b64encode, encodebytes
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launch.capabilities import Capabilities
from launch.errors import LaunchError, NotFound
from launch.fhir_reader import FhirResource, Read, Search, SearchResult
from smart_app.model.approval import Approval
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.note_search import MOST_READ, find_note_search, tell_own_notes
from tests.fakes.ehr_door import FakeChart, capabilities, open_fake_door
from tests.fakes.signing import open_units, sign_reviewed


def is_own(note: FhirResource, approval: Approval, door: EhrDoor) -> bool | None:
    (told,) = tell_own_notes([note], approval, door)
    return told


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
    assert is_own(note(f"PHQ-9\n{line}\n"), approval, door) is True
    assert is_own(note(f"PHQ-9\r\n  {line}  \r\nend"), approval, door) is True
    assert is_own(note(f"see the note with {line}"), approval, door) is False
    assert is_own(note(f"{line}0"), approval, door) is False


def test_a_note_of_another_patient_is_never_ours(approval: Approval) -> None:
    text = f"Reference {approval.reference_code}"
    assert is_own(note(text, subject="Patient/other"), approval, open_fake_door(FakeChart())) is False


@pytest.mark.parametrize(
    "attachment", [{"data": "***"}, {"url": "Binary/gone"}, {"url": "https://other.example/x"}, {}]
)
def test_what_cannot_be_read_tells_nothing(approval: Approval, attachment: dict[str, Any]) -> None:
    assert is_own(note(None, **attachment), approval, open_fake_door(FakeChart())) is None


def test_text_that_is_broken_into_lines_of_base64_is_read(approval: Approval) -> None:
    data = encodebytes(f"PHQ-9: a note that is longer than a line\nReference {approval.reference_code}\n".encode())
    assert is_own(note(None, data=data.decode()), approval, open_fake_door(FakeChart())) is True


@pytest.mark.parametrize("content_type", ["text/html", "text/rtf", "application/rtf;charset=utf-8", ""])
def test_rich_text_tells_nothing_unless_the_plain_text_stands_beside_it(approval: Approval, content_type: str) -> None:
    door, rich = (
        open_fake_door(FakeChart()),
        note("<p>made by the EHR of what it was given</p>", contentType=content_type),
    )
    assert is_own(rich, approval, door) is None
    plain = note("another note")
    both = {**plain.resource, "content": [*rich.resource["content"], *plain.resource["content"]]}
    assert is_own(replace(plain, resource=both), approval, door) is False


class Binaries(FakeChart):
    """Has the text of each note in a Binary of its own, and counts the waves."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts
        self.waves: list[int] = []

    def read_together(
        self, wanted: Mapping[str, Read | Search]
    ) -> dict[str, FhirResource | SearchResult | LaunchError]:
        self.waves.append(len(wanted))
        return {
            name: FhirResource(
                resource_type="Binary",
                id=name,
                version_id=None,
                resource={"resourceType": "Binary", "data": b64encode(self.texts[name].encode()).decode()},
            )
            if name in self.texts
            else NotFound()
            for name in wanted
        }


def test_the_content_of_many_notes_is_read_in_one_wave(approval: Approval) -> None:
    line = f"Reference {approval.reference_code}"
    chart = Binaries({"b1": f"one\n{line}\n", "b2": "two"})
    notes = [note(None, url=f"Binary/b{number}") for number in (1, 2, 3)]
    assert tell_own_notes(notes, approval, open_fake_door(chart)) == (True, False, None)
    assert chart.waves == [3]


def test_of_ten_thousand_notes_those_beyond_the_bound_stay_unread(approval: Approval) -> None:
    chart = Binaries({f"b{number}": "another" for number in range(10_000)})
    told = tell_own_notes([note(None, url=f"Binary/{one}") for one in chart.texts], approval, open_fake_door(chart))
    assert chart.waves == [MOST_READ]
    assert told == (False,) * MOST_READ + (None,) * (10_000 - MOST_READ)


def test_another_kind_of_content_is_not_ours(approval: Approval) -> None:
    scan = note(None, contentType="application/pdf")
    assert is_own(scan, approval, open_fake_door(FakeChart())) is False


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
