"""Bad input around the session: lost, crossed and expired cookies, forms from elsewhere; what was answered is kept."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest

from smart_app import worker
from tests.fakes.captured_log import CapturedLog
from tests.fakes.clinic import code_of
from tests.fakes.http_browser import HttpBrowser, screening_id_of, words_of
from tests.fakes.refusal import assert_refused, assert_refused_as_json
from tests.functional.page_browser import Page
from tests.site import Site


def checked(page: Page) -> dict[str, str]:
    """What a form shows as chosen: linkId → option code."""
    chosen = page.root.xpath("//input[@type='radio'][@checked][starts-with(@name, 'item.')]")
    return {field.get("name").removeprefix("item."): field.get("value") for field in chosen}


def choices(*weights: int) -> dict[str, str]:
    return {f"phq9-{n}": code_of(f"phq9-{n}", weight) for n, weight in enumerate(weights, start=1)}


def test_a_lost_cookie_opens_nothing_and_gives_the_typed_answers_back(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    browser.save(form, "phq9-1", 1)
    browser.drop_cookie(form)

    assert_refused(browser.get(form.url), log, 401, "launch-not-open")
    assert_refused_as_json(browser.save(form, "phq9-2", 1, sequence=2), log, 401, "launch-not-open")
    refused = browser.fill(form, 1, 2, 3)
    assert_refused(refused, log, 401, "launch-not-open")
    assert "Nearly every day" in words_of(refused)
    assert "Delgado" not in refused.text

    again = browser.start(browser.launch())
    assert screening_id_of(again) == screening_id_of(form)
    assert checked(again) == choices(1)


@pytest.mark.parametrize("rest", ["", "history", "worklist", "encounter", "screenings/new?instrument=phq-9"])
def test_the_cookie_of_one_launch_opens_nothing_of_another(rest: str, browser: HttpBrowser, log: CapturedLog) -> None:
    first, second = browser.launch("pt-01"), browser.launch("pt-02")
    crossed = HttpBrowser(browser.site)

    page = crossed.get(browser.path(second, rest), Cookie=f"launch={browser.launch_cookie(first)}")

    assert_refused(page, log, 401, "launch-not-open")


def test_a_form_with_the_cookie_of_another_launch_changes_neither(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    first, second = browser.start(browser.launch("pt-01")), browser.start(browser.launch("pt-02"))
    path, fields = second.form("/form", do="later", **{"item.phq9-1": code_of("phq9-1", 3)})
    fields |= browser.token(first)

    page = HttpBrowser(site).send((path, fields), headers={"Cookie": f"launch={browser.launch_cookie(first)}"})

    assert_refused(page, log, 401, "launch-not-open")
    assert checked(browser.get(first.url)) == checked(browser.get(second.url)) == {}


def test_an_idle_session_saves_into_its_own_form_shows_nothing_and_goes_on_after_a_relaunch(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    browser.save(form, "phq9-1", 1)
    site.clock.move(minutes=45)
    worker.run_round(site.app.extensions["smart_screening"])

    assert_refused(browser.get(form.url), log, 401, "launch-idle")
    saved = browser.save(form, "phq9-2", 2, sequence=2)
    assert saved.json()["saves"][0]["kind"] == "saved"
    told = browser.fill(form, 1, 2, 3)
    assert_refused(told, log, 401, "launch-idle")
    assert "Your answers are saved" in words_of(told)
    assert "Delgado" not in told.text
    again = browser.start(browser.launch())

    assert screening_id_of(again) == screening_id_of(form)
    assert checked(again) == choices(1, 2, 3) | {"phq9-10": code_of("phq9-10", 1)}
    assert browser.fill(again, 1, 2, 3, 0, 0, 0, 0, 0, 0).url.endswith("/review")


def test_an_idle_session_saves_into_no_form_but_its_own(browser: HttpBrowser, log: CapturedLog) -> None:
    idle = browser.launch(user="prac-bell")
    form = browser.start(browser.launch())
    browser.site.clock.move(minutes=21)

    path, fields = form.form("/form", do="later", **{"item.phq9-1": code_of("phq9-1", 3)})
    path = browser.path(idle, path.split("/", 3)[3])
    page = browser.send((path, {**fields, **browser.token(idle)}))

    assert_refused(page, log, 404, "not-this-patient")


def test_an_idle_session_does_nothing_but_save(site: Site, browser: HttpBrowser, log: CapturedLog) -> None:
    review = browser.give(browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    site.clock.move(minutes=21)

    for verb in ("sign", "note", "reject", "reopen", "comment"):
        fields = {**review.form("/sign", choice="write")[1], "reason": "because", "text": "words"}
        path = browser.path(review, f"screenings/{screening_id_of(review)}/{verb}")
        assert_refused(browser.send((path, fields)), log, 401, "launch-idle")
    assert site.resources("Observation") == []


def test_after_the_absolute_limit_the_refusal_gives_back_what_was_typed(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    browser.save(form, "phq9-1", 1)
    for _ in range(10):
        site.clock.move(minutes=61)

    refused = browser.fill(form, 1, 2, 3)

    assert_refused(refused, log, 401, "launch-over")
    assert "Nearly every day" in words_of(refused)
    again = browser.start(browser.launch())
    assert checked(again) == choices(1)


def test_free_text_of_an_ended_session_comes_back_too(site: Site, browser: HttpBrowser, log: CapturedLog) -> None:
    review = browser.give(browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 1)
    words = "Thoughts of a better place; <b>no</b> plan"
    form = review.form("/close", reasons=words, risk_level="low")
    site.clock.move(hours=11)

    refused = browser.send(form)

    assert_refused(refused, log, 401, "launch-over")
    kept = refused.root.xpath("//textarea[@name='reasons']")[0].text_content()
    assert kept == words
    assert words not in log.text


def test_log_out_ends_every_tab_and_a_draft_waits_for_the_next_launch(browser: HttpBrowser, log: CapturedLog) -> None:
    home = browser.launch()
    form = browser.start(home)
    browser.save(form, "phq9-1", 2)
    cookie = browser.launch_cookie(form)

    assert browser.send(home.form("/log-out")).status == 200

    assert_refused(browser.get(form.url), log, 401, "launch-not-open")
    stolen = HttpBrowser(browser.site).get(form.url, Cookie=f"launch={cookie}")
    assert_refused(stolen, log, 401, "launch-over")
    assert checked(browser.start(browser.launch())) == choices(2)


FOREIGN: list[tuple[Mapping[str, str], str]] = [
    ({"Origin": "https://evil.example"}, "cross-origin"),
    ({"Origin": "null"}, "cross-origin"),
    ({"Origin": "", "Sec-Fetch-Site": "cross-site"}, "cross-origin"),
    ({"Origin": "", "Sec-Fetch-Site": "same-site"}, "cross-origin"),
]


@pytest.mark.parametrize(("headers", "code"), FOREIGN)
@pytest.mark.parametrize("verb", ["sign", "reject", "form", "log-out"])
def test_a_form_that_another_site_sends_is_refused_even_with_cookie_and_token(
    verb: str, headers: Mapping[str, str], code: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    review = browser.give(browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    fields = {**review.form("/sign", choice="write")[1], "reason": "because"}
    rest = verb if verb == "log-out" else f"screenings/{screening_id_of(review)}/{verb}"

    page = browser.send((browser.path(review, rest), fields), headers=headers)

    assert_refused(page, log, 403, code)
    assert browser.site.resources("Observation") == []
    assert browser.get(review.url).status == 200


@pytest.mark.parametrize("token", ["", "forged", "another launch's"])
def test_a_form_without_the_token_of_its_launch_is_refused(token: str, browser: HttpBrowser, log: CapturedLog) -> None:
    other = browser.token(browser.launch("pt-02"))["csrf_token"]
    review = browser.give(browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    path, fields = review.form("/sign", choice="write")

    page = browser.send((path, fields | {"csrf_token": other if token == "another launch's" else token}))

    assert_refused(page, log, 400, "form-not-trusted")
    assert browser.site.resources("Observation") == []


def test_every_post_of_the_app_needs_its_token(site: Site, browser: HttpBrowser) -> None:
    """Walk the routes: a route added without protection fails here."""
    home = browser.launch()
    posts = [rule for rule in site.app.url_map.iter_rules() if "POST" in (rule.methods or set())]
    assert len(posts) >= 15
    values = {"launch_id": home.url.split("/")[4], "screening_id": UUID(int=1), "alert_id": UUID(int=1)}
    for rule in posts:
        built = rule.build({name: values[name] for name in rule.arguments})
        assert built is not None
        page = browser.send((built[1], {"text": "x"}))
        assert page.status == 400, rule.rule
        assert "form-not-trusted" in page.text
