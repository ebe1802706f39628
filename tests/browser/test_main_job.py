"""The main job as a clinician does it in Chromium, from the EHR's launcher to what the EHR's store then holds.

The app's pages are only clicked; what is true is read from the store behind the simulated EHR.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.desk import Desk, Hand, Keyboard, Mouse, answers_of, open_desk
from tests.site import Site

pytestmark = pytest.mark.browser

PATIENT, ENCOUNTER, PRACTITIONER = "Patient/pt-01", "Encounter/enc-01-now", "Practitioner/prac-okafor"
PHQ9 = {**answers_of("phq9", [2, 2, 2, 2, 1, 1, 1, 1, 1]), "phq9-10": 1}
PHQ9_ITEMS = ("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8")
GAD7 = answers_of("gad7", [3, 2, 1, 0, 1, 2, 3])
GAD7_ITEMS = ("69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7")


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of working: with which hand, with script or without, in which place."""

    hand: Hand
    button: str
    script: bool = True


WAYS = {
    "mouse in a new tab": Way(hand=Mouse(), button="Launch in a new tab"),
    "keyboard alone": Way(hand=Keyboard(), button="Launch in this tab"),
    "in the chart's frame": Way(hand=Mouse(), button="Launch inside the chart"),
    "without script": Way(hand=Mouse(), button="Launch in this tab", script=False),
    "keyboard alone without script": Way(hand=Keyboard(), button="Launch in this tab", script=False),
}


@contextmanager
def launched(chromium: Browser, site: Site, way: Way) -> Iterator[Desk]:
    """Choose patient and user on the EHR's launcher and launch the app."""
    with open_desk(chromium, site, hand=way.hand, java_script_enabled=way.script) as desk:
        desk.page.goto(site.ehr.base_url)
        way.hand.choose(desk.page.get_by_label("User"), "Dr. Amara Okafor")
        way.hand.choose(desk.page.get_by_label("Patient", exact=True), "Rosa Delgado-Quinn")
        launch = desk.page.get_by_role("button", name=way.button)
        if way.button == "Launch in a new tab":
            with desk.context.expect_page() as opened:
                way.hand.press(launch)
            desk.show(opened.value)
        else:
            way.hand.press(launch)
            if way.button == "Launch inside the chart":
                desk.show_frame()
        desk.app.get_by_role("heading", name="Give an instrument").wait_for()
        yield desk
        assert desk.problems == []


@pytest.mark.parametrize("name", WAYS)
def test_a_phq9_is_given_its_alert_acted_on_signed_and_in_the_chart(name: str, chromium: Browser, site: Site) -> None:
    way = WAYS[name]
    with launched(chromium, site, way) as desk:
        desk.start("PHQ-9")
        desk.answer(PHQ9)
        if way.script:
            desk.app.locator("#risk").get_by_text("An alert is open").wait_for()
        desk.finish()
        assert "13 of 27" in desk.app.locator(".figure__value").inner_text()
        sign = desk.app.locator("#sign-panel .button--primary")
        assert sign.get_attribute("aria-disabled") == "true"
        assert site.resources("Observation") == []
        desk.close_alert()
        assert sign.get_attribute("aria-disabled") is None
        desk.sign()
        assert desk.app.locator("td .state--good", has_text="Written").count() == 15

    assert_in_chart(site, total=("44261-6", 13), panel="44249-1", items=[*PHQ9_ITEMS, "69722-7"])
    assert len(site.resources("Observation")) == 12
    note = note_of(site)
    for words in ("Total 13 of 27", "RISK ITEM 9: Several days (1)", "Alert: closed by Amara Okafor", "Reference SS-"):
        assert words in note
    assert "Signed by Amara Okafor" in note
    assert "passive thoughts" not in note  # free text of an alert enters the note only when ticked


def test_a_gad7_is_given_signed_and_in_the_chart(chromium: Browser, site: Site) -> None:
    with launched(chromium, site, WAYS["mouse in a new tab"]) as desk:
        desk.start("GAD-7")
        desk.answer(GAD7 | {"gad7-8": 1})
        desk.finish()
        assert "12 of 21" in desk.app.locator(".figure__value").inner_text()
        assert "not asked" in desk.app.locator("main").inner_text().lower()
        desk.sign()

    assert_in_chart(site, total=("70274-6", 12), panel="69737-5", items=[*GAD7_ITEMS])
    assert "Total 12 of 21" in note_of(site)
    assert "suicide" in note_of(site).lower()


@pytest.mark.parametrize("script", [True, False])
def test_a_result_kept_here_says_so_on_the_button_asks_for_the_reason_and_writes_nothing(
    script: bool, chromium: Browser, site: Site
) -> None:
    with launched(chromium, site, Way(hand=Mouse(), button="Launch in this tab", script=script)) as desk:
        desk.start("GAD-7")
        desk.answer(GAD7 | {"gad7-8": 1})
        desk.finish()
        panel = desk.app.locator("#sign-panel")
        panel.get_by_role(
            "button", name="Sign and write 13 items to the chart of Delgado-Quinn, Rosa", exact=True
        ).wait_for()
        panel.get_by_label("Do not write it; keep it in this app").check()
        panel.get_by_role("button", name="Sign for Delgado-Quinn, Rosa; nothing is written", exact=True).click()
        desk.app.locator("#problems").get_by_role("link").click()
        assert desk.app.locator("#choice_reason").get_attribute("aria-invalid") == "true"
        desk.app.locator("#choice_reason").fill("the patient asked for it")
        desk.sign()
        assert "nothing was written" in desk.app.get_by_role("heading", level=1).inner_text()

    assert [site.resources(kind) for kind in ("QuestionnaireResponse", "Observation", "DocumentReference")] == [[]] * 3


def assert_in_chart(site: Site, *, total: tuple[str, int], panel: str, items: list[str]) -> None:
    """Hold the whole of what one signature wrote against its answers, patient, visit and signer."""
    (response,), (note,), (provenance,) = (
        site.resources(kind) for kind in ("QuestionnaireResponse", "DocumentReference", "Provenance")
    )
    observations = {code_of(resource): resource for resource in site.resources("Observation")}
    assert len(site.resources("Observation")) == len(observations)
    assert set(items) | {total[0], panel} <= set(observations)

    assert observations[total[0]]["valueQuantity"]["value"] == total[1]
    members = {reference["reference"] for reference in observations[panel]["hasMember"]}
    assert members == {address(r) for code, r in observations.items() if code != panel}
    for resource in (response, note, *observations.values()):
        assert resource["subject"]["reference"] == PATIENT
    for resource in (response, *observations.values()):
        assert resource["encounter"]["reference"] == ENCOUNTER
    assert [one["reference"] for one in note["context"]["encounter"]] == [ENCOUNTER]
    for resource in observations.values():
        assert [one["reference"] for one in resource["derivedFrom"]] == [address(response)]
        assert PRACTITIONER in [one["reference"] for one in resource["performer"]]
    assert response["author"]["reference"] == PRACTITIONER
    assert note["authenticator"]["reference"] == PRACTITIONER
    assert {one["reference"] for one in note["context"]["related"]} == {
        address(response),
        address(observations[panel]),
    }
    assert {one["reference"] for one in provenance["target"]} == {
        address(resource) for resource in (response, note, *observations.values())
    }
    agents = {agent["type"]["coding"][0]["code"]: agent["who"]["reference"] for agent in provenance["agent"]}
    assert agents == {
        "author": PRACTITIONER,
        "verifier": PRACTITIONER,
        "informant": PATIENT,
        "assembler": "#software",
    }


def code_of(observation: Mapping[str, Any]) -> str:
    return str(observation["code"]["coding"][0]["code"])


def address(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def note_of(site: Site) -> str:
    (note,) = site.resources("DocumentReference")
    contents = [content["attachment"] for content in note["content"]]
    assert [attachment["contentType"] for attachment in contents] == [
        "text/plain;charset=utf-8",
        "application/xhtml+xml",
    ]
    return base64.b64decode(contents[0]["data"]).decode()
