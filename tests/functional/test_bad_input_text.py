"""Bad input in free text, numbers and dates: taken as it is or refused by name, never a fault of ours."""

from __future__ import annotations

import base64

import pytest
from lxml import etree

from tests.fakes.captured_log import CapturedLog
from tests.fakes.clinic import code_of
from tests.fakes.http_browser import ASSESSMENT, HttpBrowser
from tests.site import Site

RISK = (0, 0, 0, 0, 0, 0, 0, 0, 1)
TEXTS = {
    "vertical tab": "a\x0bb",
    "escape": "\x1b[31mred",
    "noncharacters": "a\ufffe\uffffb",
    "right to left": "\u202etxet",
    "emoji": "👩🏽\u200d⚕️ seen",
    "lines": "one\r\ntwo\rthree\n",
    "markup": "<b>bold</b> &amp; <script>alert(1)</script>",
    "control": "a\x7f\x85b",
    "template": "{{7*7}}{% raw %}",
    "comment": "--> ]]> <!-- <![CDATA[",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_text_goes_through_comment_alert_and_note_into_a_note_that_is_well_formed(
    text: str, site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    review = browser.give(browser.launch(), *RISK)
    review = browser.send(review.form("/comment", text=text))
    review = browser.send(review.form("/add", text=text))
    review = browser.send(review.form("/hand-over", to_name=text, text=text))
    review = browser.close_alert(review, reasons=text, plan=text, into_note="yes")
    noted = browser.send(review.form("/sign", choice="write", text=review.form("/sign")[1]["text"] + f"\nP: {text}"))
    assert noted.status == 409
    outcome = browser.send(noted.form("/sign", choice="write"))
    if not outcome.url.endswith("/outcome"):  # a page cannot show every character: what it shows is saved, then signed
        outcome = browser.send(outcome.form("/sign", choice="write"))

    assert outcome.url.endswith("/outcome"), outcome.text
    (note,) = site.resources("DocumentReference")
    for content in note["content"]:
        held = base64.b64decode(content["attachment"]["data"])
        if "xhtml" in content["attachment"]["contentType"]:
            root = etree.fromstring(held)
            assert not root.xpath("//*[local-name()='script' or local-name()='b']")
    assert log.events("unforeseen-error") == []


@pytest.mark.parametrize("length", [30_000, 400_000])
def test_text_longer_than_its_field_is_refused_and_nothing_is_cut_off_silently(
    length: int, browser: HttpBrowser, log: CapturedLog
) -> None:
    text = "x" * length
    review = browser.give(browser.launch(), *RISK)

    pages = [
        browser.send(review.form("/reject", reason=text)),
        browser.send(review.form("/comment", text=text)),
        browser.send(review.form("/add", text=text)),
        browser.send(review.form("/hand-over", to_name=text)),
        browser.close_alert(review, reasons=text),
    ]

    assert [page.status for page in pages] == [422] * 5
    assert log.events("unforeseen-error") == []
    assert browser.get(review.url).status == 200


NUMBERS = ["", "-1", "1.0", "1e3", "²", "٣", "9" * 30, "9" * 5000, "0x10", "\x00"]


@pytest.mark.parametrize("number", NUMBERS, ids=ascii)
def test_a_version_or_sequence_that_is_no_number_is_refused_by_name(
    number: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    home = browser.launch()
    form = browser.start(home)
    path, fields = form.form("/form", do="later", **{"item.phq9-1": code_of("phq9-1", 1)})
    for field in ("sequence", "seen.phq9-1"):
        assert browser.send((path, {**fields, field: number})).status == 422, field
    review = browser.fill(form, *RISK)
    path, fields = review.form("/sign", choice="write", version=number, text="other words")
    for verb in ("note", "note/renew", "sign"):
        assert browser.send((path.removesuffix("sign") + verb, fields)).status == 422, verb
    assert log.events("unforeseen-error") == []


DATES = [
    "0000-00-00", "9999-12-31T23:59", "2026-02-30", "2026-13-01", "\uff12\uff10\uff12\uff16-01-01", "-1", "1e3", "\x00",
    "yesterday", "2026-11-24T10:00+99:00", "<script>",
]  # fmt: skip


@pytest.mark.parametrize("date", DATES, ids=ascii)
def test_a_date_that_is_none_or_still_to_come_is_refused_by_name(
    date: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    home = browser.launch()
    assert browser.start(home, informant="patient", mode="paper", language="en", answered_at=date).status == 422
    review = browser.give(browser.launch(), *RISK)

    assert browser.send(review.form("/close", **{**ASSESSMENT, "assessed_at": date})).status == 422
    assert browser.send(review.form("/hand-over", to_name="Ingrid Lindqvist", accepted_at=date)).status == 422
    assert log.events("unforeseen-error") == []


@pytest.mark.parametrize(
    "path",
    [
        "/launches/%00/", "/launches/é/", "/launches/a%2Fb/", "/static/../../etc/passwd", "/static/%2e%2e/app.css",
        "/static/app.css%00", "/fhir/Questionnaire/..%2f..", "/fhir/Patient/pt-01", "/launches/a/alerts/1",
        "/callback/", "/%ff%fe", "/launch%0d%0aX-Injected:1",
    ],
)  # fmt: skip
def test_odd_addresses_are_not_found_and_cause_no_fault(path: str, shared_site: Site, log: CapturedLog) -> None:
    page = HttpBrowser(shared_site).get(path, follow=False)

    assert page.status in {401, 404}
    assert "X-Injected" not in page.headers
    assert "root:" not in page.text
    assert log.events("unforeseen-error") == []
