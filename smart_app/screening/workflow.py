"""The use cases of giving, reviewing and signing: one function each, and the order in which they happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from smart_app.model.approval import WriteChoice
from smart_app.model.saving import IncomingAnswer
from smart_app.screening.forms import AssessmentForm, GivingForm, HandOverForm, PostedForm
from smart_app.screening.launching import BegunLaunch, FinishedLaunch
from smart_app.screening.review_views import AlertView, EncounterView, NoteView, OutcomeView, ReviewView, WorklistView
from smart_app.screening.views import FormView, HandInResult, HistoryView, HomeView, SaveReport, StartView
from smart_app.services import Acting, Services


def begin_launch(app: Services, *, iss: str, launch: str | None, framed: bool, correlation_id: str) -> BegunLaunch:
    raise NotImplementedError


def finish_launch(
    app: Services, *, params: Mapping[str, Sequence[str]], binding: str | None, correlation_id: str
) -> FinishedLaunch:
    raise NotImplementedError


def open_session(app: Services, launch_id: str, secret: str | None, *, correlation_id: str) -> Acting:
    """Raises LaunchNotOpen (no cookie, wrong secret, unknown id) or LaunchOver (ended, absolute limit)."""
    raise NotImplementedError


def log_out(app: Services, who: Acting) -> None:
    raise NotImplementedError


def view_home(app: Services, who: Acting) -> HomeView:
    raise NotImplementedError


def view_history(app: Services, who: Acting) -> HistoryView:
    raise NotImplementedError


def view_worklist(app: Services, who: Acting) -> WorklistView:
    raise NotImplementedError


def view_start(app: Services, who: Acting, instrument_id: str) -> StartView:
    raise NotImplementedError


def start_screening(app: Services, who: Acting, instrument_id: str, form: GivingForm) -> UUID:
    raise NotImplementedError


def view_form(app: Services, who: Acting, screening_id: UUID) -> FormView:
    raise NotImplementedError


def save_answers(app: Services, who: Acting, screening_id: UUID, incoming: Sequence[IncomingAnswer]) -> SaveReport:
    raise NotImplementedError


def hand_in(app: Services, who: Acting, screening_id: UUID, posted: PostedForm) -> HandInResult:
    raise NotImplementedError


def view_hand_in(app: Services, who: Acting, screening_id: UUID, posted: PostedForm, result: HandInResult) -> FormView:
    """The form again, with what it sent and what must be answered first."""
    raise NotImplementedError


def stop_screening(app: Services, who: Acting, screening_id: UUID, reason: str) -> None:
    raise NotImplementedError


def view_review(app: Services, who: Acting, screening_id: UUID) -> ReviewView:
    """Takes the result into review (audited); a signed one raises IllegalMove: show its outcome."""
    raise NotImplementedError


def reopen_screening(app: Services, who: Acting, screening_id: UUID) -> None:
    raise NotImplementedError


def reject_screening(app: Services, who: Acting, screening_id: UUID, reason: str) -> None:
    raise NotImplementedError


def set_comment(app: Services, who: Acting, screening_id: UUID, comment: str) -> None:
    raise NotImplementedError


def view_alert(app: Services, who: Acting, alert_id: UUID) -> AlertView:
    raise NotImplementedError


def close_alert(app: Services, who: Acting, alert_id: UUID, form: AssessmentForm) -> AlertView:
    raise NotImplementedError


def hand_over_alert(app: Services, who: Acting, alert_id: UUID, form: HandOverForm) -> AlertView:
    raise NotImplementedError


def ask_again(app: Services, who: Acting, alert_id: UUID, *, code: str, reason: str) -> AlertView:
    raise NotImplementedError


def add_to_alert(app: Services, who: Acting, alert_id: UUID, text: str) -> AlertView:
    raise NotImplementedError


def view_encounters(app: Services, who: Acting) -> EncounterView:
    raise NotImplementedError


def choose_encounter(app: Services, who: Acting, encounter_id: str) -> None:
    """``encounter_id`` is one of the options shown, or "none"."""
    raise NotImplementedError


def save_note(app: Services, who: Acting, screening_id: UUID, text: str, version: int) -> NoteView:
    """Raises StaleVersion when another page saved it since (version seen is older)."""
    raise NotImplementedError


def sign_screening(
    app: Services,
    who: Acting,
    screening_id: UUID,
    *,
    displayed_hash: str,
    choice: WriteChoice | None,
    choice_reason: str = "",
    deceased_confirmed: bool = False,
) -> UUID:
    """Sign, then write what can be written at once; returns the approval's id. Raises PageChanged, SigningBlocked …."""
    raise NotImplementedError


def co_sign(app: Services, who: Acting, screening_id: UUID) -> None:
    raise NotImplementedError


def finish_writing(app: Services, who: Acting, screening_id: UUID) -> None:
    raise NotImplementedError


def view_outcome(app: Services, who: Acting, screening_id: UUID) -> OutcomeView:
    raise NotImplementedError
