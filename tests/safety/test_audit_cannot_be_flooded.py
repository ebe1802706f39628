"""Refusals before a session is open: a known launch's are audited, a stranger's are in the log, a flood is counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.refusal_budget import RefusalBudget
from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import HttpBrowser, launch_id_of
from tests.site import Site

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def _audited(site: Site, *actions: AuditAction) -> list[AuditEvent]:
    with site.units.read() as unit:
        return [event for _, event in unit.audit.export() if event.action in actions]


def _rows(site: Site) -> int:
    with site.units.read() as unit:
        return sum(1 for _ in unit.audit.export())


def test_who_only_starts_a_launch_or_sends_a_state_of_nobody_adds_no_row(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    browser.to_authorize()
    for query in ("", "?state=forged&code=x", "?state=forged&error=access_denied"):
        assert browser.get(f"/callback{query}").status == 400
    assert browser.get("/launches/nobody/", follow=False).status == 401
    assert _rows(site) == 0
    codes = [refused["reason_code"] for refused in log.events("refused")]
    assert codes == ["missing-state", "state-mismatch", "state-mismatch", "launch-not-open"]


def test_a_replayed_and_a_stolen_callback_are_audited(site: Site, browser: HttpBrowser) -> None:
    callback = browser.to_callback()
    HttpBrowser(site).get(callback)
    browser.get(callback)
    browser.get(callback)
    refused = _audited(site, AuditAction.LAUNCH_REFUSED)
    assert [(event.outcome, event.detail["ehr"] is None) for event in refused] == [
        ("state-mismatch", False),
        ("state-mismatch", True),
    ]


def test_another_cookie_and_a_foreign_form_are_audited_with_the_launch_that_they_were_for(
    site: Site, browser: HttpBrowser
) -> None:
    home = browser.launch("pt-01")
    form = browser.start(home)
    assert HttpBrowser(site).get(home.url).status == 401
    whole = form.form("/form", do="later")
    assert browser.send((whole[0], {**whole[1], "csrf_token": "of another launch"})).status == 400
    assert browser.send(whole, headers={"Origin": "https://elsewhere.example"}).status == 403
    refused = _audited(site, AuditAction.ACCESS_REFUSED)
    assert [(event.outcome, event.detail["cookie"], event.user is not None) for event in refused] == [
        ("launch-not-open", "none", False),
        ("form-not-trusted", "own", True),
        ("cross-origin", "own", True),
    ]
    assert {event.launch_id for event in refused} == {launch_id_of(home)}
    assert all(event.patient is not None and event.correlation_id for event in refused)


def test_a_flood_of_refusals_is_counted_in_the_audit_and_does_not_fill_it() -> None:
    budget = RefusalBudget(most=3)
    assert [budget.spend(NOW) for _ in range(5)] == [0, 0, 0, None, None]
    assert budget.spend(NOW + timedelta(seconds=59)) is None
    assert [budget.spend(NOW + timedelta(minutes=1)) for _ in range(2)] == [3, 0]
