"""The library: what ships, what a site's folder adds, what may be offered, and what anybody may read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.instrument import Instrument
from fhir_mappings.scoring import score_answers
from fhir_mappings.systems import SCREENING_CODE
from smart_app.library import BUNDLED, Library, NotOffered, load_catalog, load_library, read_bundled
from smart_app.licensed_text import SiteFileError, find_missing_text

ROOT = Path(__file__).parents[3]
SHIPPED_FILES = sorted(path.stem for path in (ROOT / "fhir_mappings" / "instruments").glob("*.json"))
CATALOG = load_catalog()
TEXTLESS = [one.id for one in CATALOG if one.needs_text]
WHO5_ITEMS = [f"who5-{number}" for number in range(1, 6)]


def make_text(instrument: Instrument) -> dict[str, Any]:
    """Word everything that is missing, in invented words."""
    missing = find_missing_text(instrument.bundle)
    codes = {option.coding.code for item in instrument.items for option in item.options}
    return {
        "instrument": instrument.id,
        "version": instrument.version,
        "language": "en-GB",
        "licence": "Invented words for a test.",
        "items": {name: f"Words of {name}" for name in missing if name not in codes},
        "answers": {name: f"Words of {name}" for name in missing if name in codes},
    }


def write_text(folder: Path, text: dict[str, Any], name: str = "text.toml") -> None:
    tables = {key: value for key, value in text.items() if isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in text.items() if key not in tables]
    for key, table in tables.items():
        lines += [f"[{key}]", *(f"{json.dumps(entry)} = {json.dumps(words)}" for entry, words in table.items())]
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines), "utf-8")


def get(library: Library, instrument_id: str) -> Instrument:
    instrument = library.find(instrument_id)
    assert instrument is not None
    return instrument


def own_bundle(**changes: str) -> bytes:
    """The PHQ-2 as a site's own: another id, an address of the site."""
    body = read_bundled("phq-2").decode()
    body = body.replace("https://smart-screening.org/fhir/Questionnaire", "https://site.example/fhir/Questionnaire")
    values = {"id": "phq-2-es", **changes}
    questionnaire = '"resourceType": "Questionnaire",\n    "id": "phq-2"'
    assert questionnaire in body
    return body.replace(questionnaire, questionnaire.replace("phq-2", values["id"])).encode()


def test_every_bundle_of_the_package_is_in_the_library() -> None:
    assert sorted(BUNDLED) == SHIPPED_FILES
    assert [one.id for one in CATALOG] == list(BUNDLED)


def test_ten_ship_without_text_and_say_where_to_get_it() -> None:
    assert len(TEXTLESS) == 10
    for one in CATALOG:
        assert bool(find_missing_text(one.bundle)) is (one.id in TEXTLESS), one.id


@pytest.mark.parametrize("name", TEXTLESS)
def test_an_instrument_without_its_text_is_never_offered(name: str) -> None:
    with pytest.raises(NotOffered, match=f"{name} ships without its licensed text: "):
        load_library(["phq-9", name])
    assert load_library(["phq-9"]).find(name) is not None


def test_what_is_not_there_is_not_offered() -> None:
    with pytest.raises(NotOffered, match="there is no instrument phq-99"):
        load_library(["phq-99"])


@pytest.mark.parametrize("name", TEXTLESS)
def test_a_sites_text_completes_an_instrument_and_changes_nothing_else(name: str, tmp_path: Path) -> None:
    without = get(CATALOG, name)
    write_text(tmp_path, make_text(without))
    library = load_library([name], tmp_path)
    (worded,) = library
    assert worded.needs_text is None
    assert find_missing_text(worded.bundle) == ()
    assert worded.attribution == f"{without.attribution} Invented words for a test."
    assert (worded.language, worded.loinc_notice) == ("en-GB", without.loinc_notice)
    assert worded.instruction.startswith("Words of ")
    assert all(item.text == f"Words of {item.link_id}" for item in worded.items)
    assert worded.canonical == without.canonical
    for one, other in zip(worded.items, without.items, strict=True):
        assert (one.link_id, one.coding, one.enable_when, one.scored, one.risk) == (
            other.link_id,
            other.coding,
            other.enable_when,
            other.scored,
            other.risk,
        )
        assert [(o.coding.code, o.weight) for o in one.options] == [(o.coding.code, o.weight) for o in other.options]
    assert [score.expression for score in worded.scores] == [score.expression for score in without.scores]
    assert worded.risk_rules == without.risk_rules


def test_an_instrument_without_text_scores_as_the_worded_one_does(tmp_path: Path) -> None:
    without = get(CATALOG, "who-5")
    write_text(tmp_path, make_text(without))
    for instrument in (without, get(load_library([], tmp_path), "who-5")):
        answers = {
            item.link_id: Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=item.options[2].coding)
            for item in instrument.items
        }
        report = score_answers(instrument, answers).value
        assert [(score.value, score.positive) for score in report.scores] == [(15, False), (60, False)]


def test_licensed_words_are_not_shown_to_anybody(tmp_path: Path) -> None:
    write_text(tmp_path, make_text(get(CATALOG, "who-5")))
    library = load_library(["who-5"], tmp_path)
    assert "Words of" in json.dumps(get(library, "who-5").questionnaire)
    assert "Words of" not in json.dumps(library.find_definition("Questionnaire", "who-5"))


def refused(folder: Path) -> list[str]:
    with pytest.raises(SiteFileError) as raised:
        load_library(folder=folder)
    return str(raised.value).splitlines()


def test_a_text_that_leaves_words_out_names_each_of_them(tmp_path: Path) -> None:
    text = make_text(get(CATALOG, "who-5"))
    del text["items"]["who5-3"], text["answers"]["who5-answer-2"]
    write_text(tmp_path, text)
    assert sorted(refused(tmp_path)) == [f"text.toml: {name} is without text" for name in ("who5-3", "who5-answer-2")]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"items": {"who5-9": "x"}}, "text.toml: items: there is no linkId who5-9"),
        ({"answers": {"who5-answer-9": "x"}}, "text.toml: answers: there is no option who5-answer-9"),
        ({"version": "2.0.0"}, "text.toml: is made for version 2.0.0, and this is 1.0.0"),
        ({"instrument": "phq-9"}, "text.toml: phq-9 has its wording: a text file is for one that ships without"),
        ({"instrument": "phq-99"}, "text.toml: no instrument phq-99 ships"),
        ({"weights": {"who5-1": "4"}}, "text.toml: weights is not a setting of this file"),
        ({"language": "English"}, "text.toml: language must be a BCP 47 code such as en-GB"),
        ({"licence": " "}, "text.toml: licence must be a text"),
        ({"items": {"who5-1": ""}}, "text.toml: items: who5-1 must be a text"),
        ({"answers": "none"}, "text.toml: [answers] must be a table"),
    ],
)
def test_a_text_file_that_does_not_fit_is_refused_by_name(change: dict[str, Any], fault: str, tmp_path: Path) -> None:
    write_text(tmp_path, make_text(get(CATALOG, "who-5")) | change)
    assert fault in refused(tmp_path)


@pytest.mark.parametrize("body", [b"[items", b"\xff\xfe"])
def test_what_is_no_toml_is_refused(body: bytes, tmp_path: Path) -> None:
    (tmp_path / "text.toml").write_bytes(body)
    assert refused(tmp_path)[0].startswith("text.toml: ")


def test_one_instrument_is_worded_once(tmp_path: Path) -> None:
    text = make_text(get(CATALOG, "who-5"))
    write_text(tmp_path, text, "a.toml")
    write_text(tmp_path, text, "b.toml")
    assert refused(tmp_path) == ["b.toml: who-5 has its wording in a.toml already"]


def test_the_example_of_the_operations_page_is_a_text_that_fits(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n# instruments/who-5\.toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "who-5.toml").write_text(example, "utf-8")
    (worded,) = load_library(["who-5"], tmp_path)
    assert [item.link_id for item in worded.items] == WHO5_ITEMS


def test_a_sites_own_instrument_is_offered_like_ours(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_bytes(own_bundle())
    library = load_library(["phq-2-es", "phq-9"], tmp_path)
    own, ours = library
    assert (own.id, own.url, ours.id) == ("phq-2-es", "https://site.example/fhir/Questionnaire/phq-2", "phq-9")
    assert library.find_by_canonical(own.canonical) is own
    assert library.find_definition("Questionnaire", "phq-2-es") == own.questionnaire


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (own_bundle(id="phq-2"), "own.json: its id phq-2 ships with the app: give it another"),
        (read_bundled("phq-2").replace(b'"id": "phq-2"', b'"id": "own"'), "own.json: its canonical stands under ours"),
        (b"{}", "own.json: "),
    ],
)
def test_an_own_instrument_that_cannot_be_used_is_refused_by_name(body: bytes, fault: str, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_bytes(body)
    assert refused(tmp_path)[0].startswith(fault)


def test_a_folder_that_is_absent_adds_nothing(tmp_path: Path) -> None:
    assert [one.id for one in load_catalog(tmp_path / "none")] == list(BUNDLED)


@pytest.mark.parametrize(
    ("resource_type", "resource_id"),
    [
        ("Questionnaire", "epds"),
        ("ObservationDefinition", "pcl-5-cluster-b"),
        ("PlanDefinition", "asq"),
        ("CodeSystem", "screening"),
        ("CodeSystem", "action"),
        ("StructureDefinition", "cut-off"),
    ],
)
def test_anybody_may_read_a_definition(resource_type: str, resource_id: str) -> None:
    found = load_library().find_definition(resource_type, resource_id)
    assert found is not None
    assert (found["resourceType"], found["id"]) == (resource_type, resource_id)
    assert load_library().find_definition(resource_type, "none") is None


def test_every_local_code_of_every_instrument_is_in_the_code_system() -> None:
    system = load_library().find_definition("CodeSystem", "screening")
    assert system is not None
    codes = {concept["code"] for concept in system["concept"]}
    assert len(codes) == len(system["concept"]) == system["count"]
    used = {coding["code"] for name in BUNDLED for coding in codings(json.loads(read_bundled(name)))}
    assert used == codes


def codings(value: Any) -> Iterator[dict[str, Any]]:
    """Give every Coding of the local code system."""
    if isinstance(value, dict):
        if value.get("system") == SCREENING_CODE:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            yield from codings(child)
