"""What every refusal owes to the person who meets it, and to the IT that they call (design section 4, "HTTP")."""

from __future__ import annotations

import re

import requests

from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import code_shown, correlation_shown
from tests.functional.page_browser import Page

_CORRELATION_ID = re.compile(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}")
_TRACES = ("Traceback", 'File "', ".py", "Exception", "raise ", "werkzeug", "sqlalchemy", " at 0x")
_SENTENCE = re.compile(r"[A-Z].{12,}")


def assert_refused(page: Page, log: CapturedLog, status: int, code: str) -> None:
    """Check status, stable code, a sentence, what to do, no trace, and a correlation id that leads to the log line."""
    assert page.status == status, page.text
    assert code_shown(page) == code
    assert _SENTENCE.fullmatch(page.root.xpath("//h1")[0].text_content().strip())
    what_to_do = page.root.xpath("//section[@aria-labelledby='do-h']//p")
    assert what_to_do, "nothing says what to do"
    assert _SENTENCE.search(what_to_do[0].text_content())
    _assert_no_trace(page.root.text_content())
    shown = correlation_shown(page)
    assert _CORRELATION_ID.fullmatch(shown)
    logged = [line for line in log.events("refused") if line.get("correlation_id") == shown]
    assert [(line["reason_code"], line["http_status"]) for line in logged] == [(code, status)]


def assert_refused_as_json(answer: requests.Response, log: CapturedLog, status: int, code: str) -> None:
    """Check the same of what the page's own script is told."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    body = answer.json()
    assert set(body) == {"code", "title", "remedy", "correlation_id"}
    assert body["code"] == code
    assert _SENTENCE.fullmatch(body["title"])
    assert _SENTENCE.fullmatch(body["remedy"])
    _assert_no_trace(answer.text)
    logged = [line for line in log.events("refused") if line.get("correlation_id") == body["correlation_id"]]
    assert [(line["reason_code"], line["http_status"]) for line in logged] == [(code, status)]


def _assert_no_trace(text: str) -> None:
    assert not [word for word in _TRACES if word in text]
