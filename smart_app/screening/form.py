"""The form of one screening as a page: items, what is saved, and what a hand-in still asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from fhir_mappings.answers import Answers, is_enabled
from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.item_answer import format_answer_text
from smart_app.access import event, get_screening, permitted
from smart_app.chart import Chart
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove
from smart_app.model.rights import Right
from smart_app.model.screening import SavedAnswer, SavedStatus, Screening, ScreeningState
from smart_app.screening.answers import enabled_answers, get_instrument
from smart_app.screening.carrying import SOURCES, find_offers
from smart_app.screening.context import get_chart
from smart_app.screening.drafts import is_too_old, stop_old_drafts
from smart_app.screening.errors import DraftTooOld
from smart_app.screening.form_words import say_giving, say_progress, say_risk_notice, say_saved, say_total
from smart_app.screening.forms import DECLINED, PostedForm
from smart_app.screening.frame import audit_shown, frame_with
from smart_app.screening.starting import say_warnings
from smart_app.screening.typed_answers import build_field, build_truths
from smart_app.screening.views import FormView, HandInResult, ItemView, OptionView
from smart_app.screening.wording import say_points
from smart_app.services import Acting, Services

if TYPE_CHECKING:
    from smart_app.model.alert import Alert


def view_form(app: Services, who: Acting, screening_id: UUID, *, device: str | None = None) -> FormView:
    """Show the form, to a page that is there already (``device``) or to a new one.

    Raises: NotThisPatient, IllegalMove (no longer in progress), DraftTooOld (and stops it).
    """
    with permitted(app, who, Right.ENTER):
        with app.units.read() as unit:
            screening = get_screening(unit, who, screening_id)
            alerts = unit.alerts.open_for_patient(who.patient)
            others = unit.screenings.for_patient(who.patient, SOURCES)
        if is_too_old(app, screening, who.now):
            stop_old_drafts(app, who)
            raise DraftTooOld
        if screening.state is not ScreeningState.IN_PROGRESS:
            raise IllegalMove(f"the form of a screening that is {screening.state} is closed")
        chart = get_chart(app, who)
        with app.units.write() as unit:
            unit.audit.append(event(who, AuditAction.SCREENING_VIEWED, screening_id))
            audit_shown(who, unit, alerts)
            unit.commit()
    instrument = get_instrument(app.library, screening.instrument_id)
    view = _build_form(app, who, chart, screening, alerts, device=device or app.new_secret())
    return replace(view, offers=find_offers(app, who, instrument, screening, others))


def view_hand_in(app: Services, who: Acting, screening_id: UUID, posted: PostedForm, result: HandInResult) -> FormView:
    """Show the form again as it was sent, with what must be answered first."""
    view = view_form(app, who, screening_id, device=posted.device)
    items = get_instrument(app.library, view.instrument_id).by_link_id
    return replace(
        view,
        items=tuple(_as_posted(items[item.link_id], item, posted.codes.get(item.link_id, "")) for item in view.items),
        missing=result.missing,
        differences=result.differences,
    )


def _build_form(
    app: Services, who: Acting, chart: Chart, screening: Screening, alerts: Sequence[Alert], *, device: str
) -> FormView:
    instrument = get_instrument(app.library, screening.instrument_id)
    answers = enabled_answers(instrument, screening)
    return FormView(
        frame=frame_with(app, who, chart, alerts),
        screening_id=screening.id,
        instrument_id=instrument.id,
        short_name=instrument.short_name,
        title=instrument.title,
        instruction=instrument.instruction,
        warnings=say_warnings(app, who, instrument, chart),
        licence=licence_of(instrument),
        language=instrument.language,
        giving=say_giving(screening.giving, dict(app.rules.languages)),
        device=device,
        sequence=screening.newest_sequence(device),
        items=_build_items(app, who, instrument, screening, answers),
        total=say_total(app, instrument, screening),
        risk_notice=say_risk_notice(instrument, [a for a in alerts if a.screening_id == screening.id]),
        **say_progress(instrument, screening),
    )


def licence_of(instrument: Instrument) -> tuple[str, ...]:
    """Give the lines that stand wherever the instrument's words do (safety rule 12)."""
    return tuple(line for line in (instrument.attribution, instrument.loinc_notice) if line)


def _build_items(
    app: Services, who: Acting, instrument: Instrument, screening: Screening, answers: Answers
) -> tuple[ItemView, ...]:
    views: list[ItemView] = []
    given = [item for item in instrument.items if item.is_given]
    last = max((place for place, item in enumerate(given) if instrument.counts(item.link_id)), default=len(given))
    for place, item in enumerate(given):
        saved = screening.current(item.link_id)
        status = "blank" if saved is None or saved.status is SavedStatus.CLEARED else str(saved.status)
        heading = "Not part of the score" if place == last + 1 else ""
        text = saved.code or "" if saved is not None and status == SavedStatus.ANSWERED else _start_with(item, saved)
        views.append(
            ItemView(
                link_id=item.link_id,
                number=item.number,
                text=item.text,
                options=_build_options(item, text),
                may_decline=item.may_decline,
                status=status,
                saved=say_saved(saved, who.now, app.rules.zone),
                version=0 if saved is None else saved.version,
                enabled=is_enabled(item, answers),
                scored=item.scored,
                unscored_heading=heading,
                headings=item.headings,
                field=build_field(item, text),
            )
        )
    return tuple(views)


def _start_with(item: Item, saved: SavedAnswer | None) -> str:
    """Give what the author has an item start with, as long as nothing was ever saved for it."""
    return format_answer_text(item, item.initial) if saved is None else ""


def _build_options(item: Item, chosen: str) -> tuple[OptionView, ...]:
    return build_truths(item, chosen) or tuple(
        OptionView(
            code=option.coding.code,
            label=option.text,
            points=say_points(option.weight) if item.scored and option.weight is not None else "",
            chosen=option.coding.code == chosen,
        )
        for option in item.options
    )


def _as_posted(asked: Item, item: ItemView, code: str) -> ItemView:
    """Keep what the page sent, also where it was not saved: nothing typed is lost."""
    status = DECLINED if code == DECLINED else "answered" if code else "blank"
    options = tuple(replace(option, chosen=option.code == code) for option in item.options)
    return replace(item, status=status, options=options, field=build_field(asked, "" if code == DECLINED else code))
