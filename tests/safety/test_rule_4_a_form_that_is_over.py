"""Safety rule 4: a risk answer sent to a form that is over (stopped, too old, handed in, rejected) opens its alert."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from smart_app.errors import AppError
from smart_app.model.alert import ActionKind, AlertState
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove
from smart_app.screening import workflow
from smart_app.screening.errors import DraftTooOld, RiskAnswerNotSaved
from smart_app.screening.forms import PostedForm
from smart_app.services import Acting
from tests.fakes.clinic import Clinic, code_of, phq9

NOT_AT_ALL = phq9(0, 0, 0, 0, 0, 0, 0, 0, 0)
End = Callable[[Clinic, Acting, UUID], Acting]


def _stop(clinic: Clinic, who: Acting, screening_id: UUID) -> Acting:
    workflow.stop_screening(clinic.app, who, screening_id, "patient left")
    return who


def _grow_old(clinic: Clinic, who: Acting, screening_id: UUID) -> Acting:
    del who, screening_id
    clinic.clock.move(hours=25)
    return clinic.launch()


def _hand_in(clinic: Clinic, who: Acting, screening_id: UUID) -> Acting:
    assert workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id)).handed_in
    return who


def _reject(clinic: Clinic, who: Acting, screening_id: UUID) -> Acting:
    _hand_in(clinic, who, screening_id)
    workflow.reject_screening(clinic.app, who, screening_id, "another patient's answers")
    return who


def _sign(clinic: Clinic, who: Acting, screening_id: UUID) -> Acting:
    _hand_in(clinic, who, screening_id)
    clinic.sign(who, screening_id)
    return who


ENDS: list[End] = [_stop, _grow_old, _hand_in, _reject, _sign]


def _one_answer(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    clinic.save(who, screening_id, {"phq9-9": 2}, device="page-1")


def _whole_form(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    posted = clinic.posted(screening_id, codes={"phq9-9": code_of("phq9-9", 2)}, accept_missing=True)
    workflow.hand_in(clinic.app, who, screening_id, posted)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("send", [_one_answer, _whole_form])
def test_rule_4_a_risk_answer_to_a_form_that_is_over_opens_its_alert_and_the_page_is_told(
    clinic: Clinic, end: End, send: Callable[[Clinic, Acting, UUID], None]
) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, NOT_AT_ALL)
    who = end(clinic, who, screening_id)
    before = clinic.screening(screening_id)
    for _ in range(2):  # a page tries again
        with pytest.raises(RiskAnswerNotSaved) as refused:
            send(clinic, who, screening_id)
    assert refused.value.http_status == 409
    after = clinic.screening(screening_id)
    assert (after.answers, after.state) == (before.answers, before.state)
    (alert,) = clinic.alerts(screening_id)
    assert (alert.state, alert.link_id, alert.opened_by_version) == (AlertState.OPEN, "phq9-9", 0)
    assert [(action.kind, action.text) for action in alert.actions] == [
        (ActionKind.ANSWER_KEPT, "More than half the days")
    ]
    assert [event.entity for event in clinic.audited(AuditAction.ALERT_OPENED)] == [str(alert.id)]
    assert [strip.alert_id for strip in workflow.view_home(clinic.app, who).frame.alerts] == [alert.id]


@pytest.mark.parametrize(("end", "refusal"), [(_stop, IllegalMove), (_grow_old, DraftTooOld), (_reject, IllegalMove)])
def test_rule_4_an_answer_without_risk_to_a_form_that_is_over_is_refused_as_before(
    clinic: Clinic, end: End, refusal: type[AppError]
) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, NOT_AT_ALL)
    who = end(clinic, who, screening_id)
    with pytest.raises(refusal):
        clinic.save(who, screening_id, {"phq9-1": 3})
    with pytest.raises(refusal):
        workflow.hand_in(clinic.app, who, screening_id, PostedForm(device="b", codes={"phq9-1": "x"}, seen={}))
    assert clinic.alerts(screening_id) == ()


def test_rule_4_a_risk_answer_after_closing_opens_the_alert_again_although_the_form_is_over(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(0, 0, 0, 0, 0, 0, 0, 0, 1))
    clinic.close_alerts(who, screening_id)
    workflow.reject_screening(clinic.app, who, screening_id, "asked again on paper")
    with pytest.raises(RiskAnswerNotSaved):
        _one_answer(clinic, who, screening_id)
    (alert,) = clinic.alerts(screening_id)
    assert alert.state is AlertState.OPEN
    assert [action.kind for action in alert.actions] == [
        ActionKind.CLOSED,
        ActionKind.ANSWER_KEPT,
        ActionKind.REOPENED,
    ]


def test_rule_4_an_idle_session_is_told_nothing_of_risk(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, NOT_AT_ALL)
    workflow.stop_screening(clinic.app, who, screening_id, "patient left")
    clinic.clock.move(minutes=21)
    with pytest.raises(IllegalMove):
        _one_answer(clinic, clinic.again(who), screening_id)
    assert [alert.state for alert in clinic.alerts(screening_id)] == [AlertState.OPEN]
