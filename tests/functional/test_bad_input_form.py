"""Bad input from the browser: foreign answers, double clicks, late saves, two devices, bodies too large."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from smart_app.model.audit import AuditAction
from tests.fakes.captured_log import CapturedLog
from tests.fakes.clinic import PHQ9, code_of
from tests.fakes.http_browser import HttpBrowser, launch_id_of, screening_id_of, words_of
from tests.fakes.refusal import assert_refused, assert_refused_as_json
from tests.functional.page_browser import Page
from tests.site import Site


def saved_answers(site: Site, screening_id: str) -> dict[str, str]:
    """What stands in the database: linkId → option code."""
    with site.units.read() as unit:
        screening = unit.screenings.get(UUID(screening_id))
    return {link_id: saved.code or str(saved.status) for link_id, saved in screening.current_answers().items()}


def audited(site: Site, action: AuditAction) -> int:
    with site.units.read() as unit:
        return sum(event.action is action for _, event in unit.audit.export())


def at_once(times: int, act: Callable[[], Any]) -> list[Any]:
    """Do the same from several threads that all wait for one another first."""
    barrier = Barrier(times)

    def wait_then_act() -> Any:
        barrier.wait(timeout=30)
        return act()

    with ThreadPoolExecutor(times) as pool:
        return [done.result() for done in [pool.submit(wait_then_act) for _ in range(times)]]


@pytest.mark.parametrize(
    ("foreign", "refusal"),
    [
        (("phq9-99", "LA6568-5"), "unknown-item"),
        (("gad7-1", "LA6568-5"), "unknown-item"),
        (("<script>", "LA6568-5"), "unknown-item"),
        (("phq9-total", "27"), "unknown-item"),
        (("phq9-2", "LA0000-0"), "unknown-option"),
        (("phq9-2", "3"), "unknown-option"),
        (("phq9-2", code_of("phq9-10", 1)), "unknown-option"),
        (("phq9-2", "' OR 1=1 --"), "unknown-option"),
    ],
)
def test_what_the_instrument_does_not_have_is_refused_and_the_rest_of_the_batch_is_saved(
    foreign: tuple[str, str], refusal: str, site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    link_id, code = foreign
    form = browser.start(browser.launch())
    good = {
        "link_id": "phq9-1", "status": "answered", "code": code_of("phq9-1", 3), "sequence": 1, "seen_version": 0,
    }  # fmt: skip
    answer = browser.save_json(form, {"device": "page", "answers": [{**good, "link_id": link_id, "code": code}, good]})

    assert_refused_as_json(answer, log, 422, refusal)
    assert saved_answers(site, screening_id_of(form)) == {"phq9-1": code_of("phq9-1", 3)}
    assert "<script>" not in answer.text + log.text


def test_a_whole_form_with_a_foreign_answer_is_refused_and_what_is_right_is_saved(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    page = browser.fill(form, 1, 2, **{"item.phq9-3": "LA0000-0", "item.other-1": "LA6568-5"})

    assert_refused(page, log, 422, "unknown-option")
    assert saved_answers(site, screening_id_of(form)) == {
        "phq9-1": code_of("phq9-1", 1),
        "phq9-2": code_of("phq9-2", 2),
        "phq9-10": code_of("phq9-10", 1),
    }


GOOD: dict[str, Any] = {
    "link_id": "phq9-1", "status": "answered", "code": "LA6568-5", "sequence": 1, "seen_version": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {"answers": [GOOD]},
        {"device": "", "answers": [GOOD]},
        {"device": "page"},
        {"device": "page", "answers": []},
        {"device": "page", "answers": [GOOD] * 201},
        {"device": "page", "answers": [None]},
        {"device": "page", "answers": [{**GOOD, "sequence": -1}]},
        {"device": "page", "answers": [{**GOOD, "sequence": 1.5}]},
        {"device": "page", "answers": [{**GOOD, "sequence": 10**30}]},
        {"device": "page", "answers": [{**GOOD, "seen_version": True}]},
        {"device": "page", "answers": [{**GOOD, "status": "approved"}]},
        {"device": "page", "answers": [{**GOOD, "link_id": {"$ne": ""}}]},
        {"device": "page" * 100, "answers": [GOOD]},
    ],
)
def test_a_save_in_another_shape_is_refused_by_name(body: Any, shared_site: Site, log: CapturedLog) -> None:
    browser = HttpBrowser(shared_site)
    form = browser.start(browser.launch())

    assert_refused_as_json(browser.save_json(form, body), log, 422, "invalid-field")
    assert saved_answers(shared_site, screening_id_of(form)) == {}


def test_a_form_handed_in_twice_is_one_result(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch())

    first, second = (browser.fill(form, 1, 1, 1, 1, 1, 1, 1, 1, 0) for _ in range(2))

    assert first.url == second.url
    assert second.status == 200
    assert audited(site, AuditAction.SCREENING_HANDED_IN) == 1


def test_a_double_click_on_finish_is_one_result(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch())

    pages = at_once(4, lambda: browser.fill(form, 1, 1, 1, 1, 1, 1, 1, 1, 0))

    assert [(page.status, urlsplit(page.url).path.split("/")[-1]) for page in pages] == [(200, "review")] * 4
    assert audited(site, AuditAction.SCREENING_HANDED_IN) == 1


def test_a_double_click_on_start_is_one_draft(site: Site, browser: HttpBrowser) -> None:
    home = browser.launch()

    forms = at_once(4, lambda: browser.start(home))

    assert {form.status for form in forms} == {200}
    assert len({screening_id_of(form) for form in forms}) == 1
    assert audited(site, AuditAction.SCREENING_STARTED) == 1


def test_a_second_signature_shows_the_outcome_of_the_first_and_writes_nothing(site: Site, browser: HttpBrowser) -> None:
    review = browser.give(browser.launch(), 1, 1, 1, 0, 0, 0, 0, 0, 0)
    sign = review.form("/sign", choice="write")

    assert browser.send(sign).url.endswith("/outcome")
    again = browser.send(sign)

    assert again.status in {200, 409}
    assert "Traceback" not in again.text
    assert len(site.resources("DocumentReference")) == 1
    assert audited(site, AuditAction.SIGNED) == 1


def test_a_double_click_on_sign_is_one_approval(site: Site, browser: HttpBrowser) -> None:
    review = browser.give(browser.launch(), 1, 1, 1, 0, 0, 0, 0, 0, 0)
    sign = review.form("/sign", choice="write")

    pages: list[Page] = at_once(6, lambda: browser.send(sign))

    assert {page.status for page in pages} <= {200, 409}
    assert [page for page in pages if page.url.endswith("/outcome")]
    assert audited(site, AuditAction.SIGNED) == 1
    with site.units.read() as unit:
        approval = unit.approvals.find_for_screening(UUID(screening_id_of(review)))
        assert approval is not None
        rows = unit.ledger.rows_of(approval.id)
    assert {row.state for row in rows} == {"written"}
    assert [len(site.resources(kind)) for kind in ("QuestionnaireResponse", "DocumentReference", "Provenance")] == [
        1
    ] * 3
    totals = [r for r in site.resources("Observation") if r["code"]["coding"][0]["code"] == "44261-6"]
    assert len(totals) == 1


@pytest.mark.parametrize("verb", ["answers", "form", "stop", "reopen", "reject", "note", "comment", "sign"])
def test_what_is_signed_takes_no_change_of_any_kind(
    verb: str, site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    review = browser.fill(form, 1, 1, 1, 0, 0, 0, 0, 0, 0)
    before = saved_answers(site, screening_id_of(form))
    shown = review.form("/sign", choice="write")
    browser.send(shown)

    if verb == "answers":
        assert_refused_as_json(browser.save(form, "phq9-1", 3, seen_version=1, sequence=9), log, 409, "illegal-move")
    else:
        values = {**shown[1], **form.form("/form", **{"item.phq9-1": code_of("phq9-1", 3)})[1]}
        values |= {"do": "hand-in", "reason": "because", "text": "other words"}
        path = browser.path(review, f"screenings/{screening_id_of(review)}/{verb}")
        answer = browser.send((path, values))
        if verb == "sign":  # answered with the outcome page: it is signed, by whom and where it went
            assert answer.status == 409
            assert "Nothing was signed a second time" in answer.root.xpath("//*[@role='alert']")[0].text_content()
            assert audited(site, AuditAction.SIGNED) == 1
        else:
            assert_refused(answer, log, 409, "illegal-move")
    assert saved_answers(site, screening_id_of(form)) == before
    assert len(site.resources("DocumentReference")) == 1


def test_a_late_save_of_the_same_page_is_ignored(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch())
    browser.save(form, "phq9-1", 3, sequence=5)

    late = browser.save(form, "phq9-1", 0, sequence=4, seen_version=0).json()["saves"][0]

    assert late["kind"] == "late"
    assert late["code"] == code_of("phq9-1", 3)
    assert saved_answers(site, screening_id_of(form)) == {"phq9-1": code_of("phq9-1", 3)}


def test_a_repeated_save_is_the_same_save(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch())

    answers = [browser.save(form, "phq9-9", 1).json()["saves"][0] for _ in range(3)]

    assert {answer["version"] for answer in answers} == {1}
    assert audited(site, AuditAction.ANSWER_SAVED) == 1
    assert audited(site, AuditAction.ALERT_OPENED) == 1


def test_two_devices_at_once_leave_one_answer_and_tell_the_other(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch())
    weights = iter((0, 1, 2, 3))

    def save_as_a_device() -> dict[str, Any]:
        weight = next(weights)
        saved: dict[str, Any] = browser.save(form, "phq9-1", weight, device=f"device-{weight}").json()["saves"][0]
        return saved

    saves = at_once(4, save_as_a_device)

    assert sorted(save["kind"] for save in saves) == ["conflict"] * 3 + ["saved"]
    standing = next(save["code"] for save in saves if save["kind"] == "saved")
    assert {save["code"] for save in saves} == {standing}
    assert saved_answers(site, screening_id_of(form)) == {"phq9-1": standing}


def test_what_another_device_changed_is_asked_about_at_hand_in(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch())
    browser.save(form, "phq9-1", 3, device="tablet")

    asked = browser.fill(form, 0, 0, 0, 0, 0, 0, 0, 0, 1)

    assert asked.status == 422
    assert "Question 1 differs from what is saved" in words_of(asked)
    assert saved_answers(site, screening_id_of(form))["phq9-1"] == code_of("phq9-1", 3)
    review = browser.send(asked.form("/form", do="hand-in", **{"keep.phq9-1": "saved"}))
    assert review.url.endswith("/review")
    assert "4 of 27" in words_of(review)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_100_mb_is_refused_before_it_is_taken(
    announced: bool, site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    browser.save(form, "phq9-1", 2)
    path, _ = form.form("/form")
    host, port = urlsplit(site.app_url).hostname, urlsplit(site.app_url).port
    size = "Content-Length: 104857600" if announced else "Transfer-Encoding: chunked"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {site.app_url}\r\n"
        f"Cookie: launch={browser.launch_cookie(form)}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\n{size}\r\n\r\n"
    )
    piece = b"x" * 65_536 if announced else b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with socket.create_connection((host, port or 0), timeout=30) as connection:
        connection.sendall(head.encode())
        sent = 0
        while sent < 100_000_000 and not _has_answered(connection):
            connection.sendall(piece)
            sent += len(piece)
        answer = connection.recv(4096)

    assert sent < 10_000_000
    assert answer.split(b"\r\n", 1)[0].split()[1] == (b"413" if announced else b"400")
    assert saved_answers(site, screening_id_of(form)) == {"phq9-1": code_of("phq9-1", 2)}
    assert browser.get(form.url).status == 200
    (refused,) = log.events("refused")
    assert refused["reason_code"] == ("body-too-large" if announced else "form-not-trusted")


def _has_answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0.05)[0])


def test_a_text_of_two_megabytes_gets_the_page_for_it(browser: HttpBrowser, log: CapturedLog) -> None:
    review = browser.give(browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 0)

    page = browser.send(review.form("/sign", choice="write", text="x" * 2_000_000))

    assert_refused(page, log, 413, "body-too-large")
    assert "xxxxxxxxxx" not in page.text
    assert browser.get(review.url).status == 200


def test_ids_that_are_no_ids_or_anothers_are_not_found(site: Site, browser: HttpBrowser, log: CapturedLog) -> None:
    home = browser.launch("pt-01")
    other = browser.start(browser.launch("pt-02"))

    for path, code in (
        (f"screenings/{screening_id_of(other)}/form", "not-this-patient"),
        (f"screenings/{screening_id_of(other)}/review", "not-this-patient"),
        (f"screenings/{screening_id_of(other)}/outcome", "not-this-patient"),
        (f"screenings/{UUID(int=7)}/form", "not-this-patient"),
        (f"alerts/{UUID(int=7)}", "not-this-patient"),
        ("screenings/7/form", "page-not-found"),
        ("screenings/new?instrument=../../etc/passwd", "no-such-instrument"),
    ):
        assert_refused(browser.get(browser.path(home, path)), log, 404, code)


@pytest.mark.parametrize("field", ["informant", "mode", "language"])
def test_who_and_how_takes_only_what_is_offered(field: str, site: Site, browser: HttpBrowser) -> None:
    home = browser.launch()
    fields = {"informant": "patient", "mode": "interview", "language": "en", field: "x'; DROP TABLE screening; --"}

    page = browser.start(home, **fields)

    assert page.status == 422
    assert audited(site, AuditAction.SCREENING_STARTED) == 0
    assert browser.start(home).status == 200


def test_an_answer_given_in_the_future_is_refused(site: Site, browser: HttpBrowser) -> None:
    home = browser.launch()

    page = browser.start(home, informant="patient", mode="paper", language="en", answered_at="2999-01-01")

    assert page.status == 422
    assert audited(site, AuditAction.SCREENING_STARTED) == 0


def test_the_session_of_one_launch_is_told_nothing_of_another(site: Site, browser: HttpBrowser) -> None:
    first, second = browser.launch("pt-01"), browser.launch("pt-02")

    assert launch_id_of(first) != launch_id_of(second)
    assert browser.launch_cookie(first) != browser.launch_cookie(second)
    assert launch_id_of(second) not in json.dumps(first.text)


def test_all_nine_items_saved_one_by_one_are_what_is_reviewed(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch())
    for number, link_id in enumerate(PHQ9, start=1):
        assert browser.save(form, link_id, 1, sequence=number).json()["saves"][0]["kind"] == "saved"
    browser.save(form, "phq9-10", 1, sequence=10)

    review = browser.send(browser.get(form.url).form("/form", do="hand-in"))

    assert "9 of 27" in words_of(review)
