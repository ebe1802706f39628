"""Safety rule 9: no patient text in URLs, logs, titles, metrics, errors; no token in anything a browser gets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from sqlalchemy import text

from launch.session import ActiveLaunch
from smart_app import worker
from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import HttpBrowser, launch_id_of, words_of
from tests.fakes.refusal import assert_refused_as_json
from tests.functional.page_browser import Page
from tests.site import Site

OF_THE_PATIENT = ("Delgado", "Rosa", "SIM-0001", "1992", "pt-01")
TYPED = ("ZebraReasons", "ZebraPlan", "ZebraNote", "ZebraComment", "ZebraHandOver", "ZebraReject", "ZebraSecond")
ANSWERS = ("Several days", "LA6569-3", "Thoughts that you would be better off dead")
USER = ("Okafor", "Amara")


class Recorder(HttpBrowser):
    """A browser that keeps all that passes between it and the app."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.answers: list[requests.Response] = []
        self.session.hooks["response"].append(self._keep)

    def _keep(self, answer: requests.Response, **_: object) -> None:
        if answer.url.startswith(self.site.app_url):
            self.answers.append(answer)

    def pages(self) -> list[str]:
        return [answer.text for answer in self.answers if "html" in answer.headers.get("Content-Type", "")]


@pytest.fixture
def browser(site: Site) -> HttpBrowser:
    return Recorder(site)


def whole_job(browser: HttpBrowser) -> Page:
    """Everything that a clinician types, chooses and opens, with some refusals between."""
    home = browser.launch()
    for rest in ("history", "history?fragment=1", "worklist", "encounter", "screenings/new?instrument=phq-9"):
        assert browser.get(browser.path(home, rest)).status == 200
    form = browser.start(home)
    browser.save(form, "phq9-1", 1)
    browser.save(form, "phq9-2", "ZebraSecond", sequence=2)
    review = browser.fill(browser.get(form.url), 1, 1, 1, 1, 1, 1, 1, 1, 1)
    assert review.url.endswith("/review")
    browser.send(review.form("/close", reasons="ZebraReasons", plan="ZebraPlan"))
    browser.send(review.form("/hand-over", to_name="ZebraHandOver"))
    browser.send(review.form("/ask-again", answer="LA6568-5", reason="ZebraSecond"))
    browser.send(review.form("/comment", text="ZebraComment"))
    refused = browser.send(review.form("/close", risk_level="low", reasons="ZebraReasons", plan="ZebraPlan"))
    assert refused.status == 422
    review = browser.close_alert(browser.get(review.url), reasons="ZebraReasons", plan="ZebraPlan", into_note="yes")
    noted = browser.send(review.form("/sign", choice="write", text=review.form("/sign")[1]["text"] + "\nZebraNote"))
    assert noted.status == 409
    outcome = browser.send(noted.form("/sign", choice="write"))
    assert outcome.url.endswith("/outcome")
    rejected = browser.give(browser.get(home.url), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    browser.send(rejected.form("/reject", reason="ZebraReject"))
    browser.get(browser.path(home, "alerts/00000000-0000-0000-0000-000000000007"))
    browser.send(home.form("/log-out"))
    browser.launch(simulate="id_token_expired")
    worker.run_round(browser.site.app.extensions["smart_screening"])
    return outcome


def found_in(words: tuple[str, ...], where: str) -> list[str]:
    """Find words; a year only where it stands alone, for a MAC or an id can hold its four digits by chance."""
    return [
        word
        for word in words
        if (re.search(rf"(?<![0-9a-f]){word}(?![0-9a-f])", where) if word.isdigit() else word in where)
    ]


def test_rule_9_the_log_holds_nothing_of_patient_answers_or_what_was_typed(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    whole_job(browser)

    assert len(log.events("request")) > 20, "the log was captured"
    assert found_in((*OF_THE_PATIENT, *TYPED, *ANSWERS, *USER), log.text) == []


def test_rule_9_the_log_holds_no_code_state_or_launch_of_the_sign_in(browser: HttpBrowser, log: CapturedLog) -> None:
    assert isinstance(browser, Recorder)
    browser.launch()
    browser.launch(simulate="token_invalid_grant")

    values = [value for answer in browser.answers for _, value in parse_qsl(urlsplit(answer.url).query)]
    assert len(values) >= 8, "iss and launch, code and state, twice"
    assert not [value for value in values if value in log.text]


def test_rule_9_no_address_title_header_or_cookie_holds_patient_text(site: Site, browser: HttpBrowser) -> None:
    assert isinstance(browser, Recorder)
    whole_job(browser)

    words = (*OF_THE_PATIENT, *TYPED, *ANSWERS)
    assert len(browser.answers) > 25
    for answer in browser.answers:
        around = f"{unquote(answer.url)} {unquote(json.dumps(dict(answer.headers)))}"
        assert found_in(words, around) == [], answer.url
    for html in browser.pages():
        titles = re.findall("<title>(.*?)</title>", html, re.DOTALL)
        assert len(titles) == ("<html" in html)
        assert found_in((*words, "PHQ", "risk", "suicid"), " ".join(titles)) == []
        addresses = " ".join(re.findall(r'(?:href|action|src|data-save|data-fragment)="([^"]*)"', html))
        assert found_in(words, unquote(addresses)) == []


def test_rule_9_the_metrics_hold_no_ids_and_no_text(site: Site, browser: HttpBrowser) -> None:
    outcome = whole_job(browser)

    metrics = browser.get("/metrics").text

    assert 'endpoint="clinician.sign"' in metrics
    assert found_in((*OF_THE_PATIENT, *TYPED, *ANSWERS, *USER, launch_id_of(outcome)), metrics) == []


def secrets_of(site: Site, launch_ids: set[str]) -> set[str]:
    """Access and refresh tokens of the launches as the server keeps them."""
    found: set[str] = set()
    with site.units.read() as unit:
        for launch_id in launch_ids:
            session = unit.sessions.find(launch_id)
            assert session is not None
            tokens = ActiveLaunch.from_json(session.launch).tokens
            found |= {tokens.access_token, tokens.refresh_token or ""}
    return found - {""}


@pytest.mark.requirement("smart-2.2.0@7")
def test_rule_9_no_token_is_in_anything_that_the_browser_gets(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    assert isinstance(browser, Recorder)
    home = browser.launch()
    review = browser.give(home, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    tokens = secrets_of(site, {launch_id_of(home)})
    assert all(len(token) >= 20 for token in tokens)
    assert tokens

    browser.send(review.form("/sign", choice="write"))
    for rest in ("", "history", "worklist", "encounter"):
        browser.get(browser.path(home, rest))
    browser.get("/registration")
    browser.get("/metrics")

    for answer in browser.answers:
        everything = f"{answer.url} {json.dumps(dict(answer.headers))} {answer.text}"
        assert not [token for token in tokens if token in everything], answer.url
        assert "eyJ" not in answer.text, "no JWT"
    assert not [token for token in tokens if token in log.text]
    assert not [c for c in browser.session.cookies if c.value in tokens]


def test_rule_9_the_secret_of_a_launch_is_in_its_cookie_and_nowhere_else(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    assert isinstance(browser, Recorder)
    home = browser.launch()
    secret = browser.launch_cookie(home)
    browser.give(home, 1, 0, 0, 0, 0, 0, 0, 0, 0)

    holders = [answer for answer in browser.answers if secret in json.dumps(dict(answer.headers))]

    assert len(holders) == 1
    assert holders[0].url.startswith(f"{site.app_url}/callback?")
    assert not [page for page in browser.pages() if secret in page]
    assert secret not in log.text
    database = b"".join(path.read_bytes() for path in database_files(site))
    assert secret.encode() not in database


def database_files(site: Site) -> Iterator[Path]:
    folder = Path(site.settings.app.database_url.removeprefix("sqlite:///")).parent
    yield from (path for path in folder.iterdir() if path.is_file() and ".db" in path.name)


def test_rule_9_the_database_files_hold_no_patient_text_answers_or_tokens(site: Site, browser: HttpBrowser) -> None:
    home = browser.launch()
    tokens = secrets_of(site, {launch_id_of(home)})
    whole_job(browser)

    files = list(database_files(site))
    assert files
    content = b"".join(path.read_bytes() for path in files)

    assert b"phq-9" in content, "these are the files that the app writes"
    for word in (*OF_THE_PATIENT[:3], *TYPED, ANSWERS[0], ANSWERS[2], *tokens):
        assert word.encode() not in content, word


def test_rule_9_and_6_a_broken_database_is_said_loudly_and_without_words_of_anyone(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    with site.units.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE saved_answers RENAME TO gone"))

    answer = browser.save(form, "phq9-9", 1)
    page = browser.fill(form, 1, 1)

    assert answer.status_code >= 500
    assert_refused_as_json(answer, log, answer.status_code, answer.json()["code"])
    assert page.status == answer.status_code
    assert "saved" not in answer.json()["title"].lower()
    for shown in (answer.text, page.root.text_content()):
        assert found_in(("Traceback", "saved_answers", "sqlite", "INSERT", "SELECT", *OF_THE_PATIENT), shown) == []
    assert "Several days" in words_of(page), "what was typed is given back"
    assert found_in((*OF_THE_PATIENT, *ANSWERS), log.text) == []
