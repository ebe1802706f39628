"""Move a result while it is under review: back to the form, refused, commented; and stop an unfinished form."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from smart_app.access import event, get_screening, permitted
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove
from smart_app.model.rights import Right
from smart_app.model.screening import REVIEWABLE
from smart_app.screening.errors import DraftTooOld, InvalidField
from smart_app.services import Acting, Services

LONGEST_TEXT = 2_000


def stop_screening(app: Services, who: Acting, screening_id: UUID, reason: str) -> None:
    """End an unfinished form; answers and alerts are kept. Raises: MissingField, IllegalMove, NotThisPatient."""
    with permitted(app, who, Right.ENTER), app.units.write() as unit:
        _check_length(reason, "reason")
        unit.screenings.save(get_screening(unit, who, screening_id).stop(who.now, reason))
        unit.audit.append(event(who, AuditAction.SCREENING_STOPPED, screening_id, reason="by-user"))
        unit.commit()


def reopen_screening(app: Services, who: Acting, screening_id: UUID) -> None:
    """Go back to the form, within the time that a draft may go on; what stood before is kept.

    Raises: DraftTooOld, IllegalMove, NotThisPatient.
    """
    with permitted(app, who, Right.ENTER), app.units.write() as unit:
        screening = get_screening(unit, who, screening_id)
        if who.now - screening.started_at > app.rules.draft_within:
            raise DraftTooOld
        unit.screenings.save(screening.reopen(who.now))
        unit.audit.append(event(who, AuditAction.SCREENING_REOPENED, screening_id))
        unit.commit()


def reject_screening(app: Services, who: Acting, screening_id: UUID, reason: str) -> None:
    """Refuse a result unsigned, with a reason; answers and alerts are kept.

    Raises: MissingField, IllegalMove, NotThisPatient, NotAllowed (who may sign may refuse).
    """
    with permitted(app, who, Right.SIGN), app.units.write() as unit:
        _check_length(reason, "reason")
        unit.screenings.save(get_screening(unit, who, screening_id).reject(who.now, reason))
        unit.audit.append(event(who, AuditAction.SCREENING_REJECTED, screening_id))
        unit.commit()


def set_comment(app: Services, who: Acting, screening_id: UUID, comment: str) -> None:
    """Keep a comment with the result; it goes into the note. Raises: IllegalMove, InvalidField, NotThisPatient."""
    with permitted(app, who, Right.ENTER), app.units.write() as unit:
        _check_length(comment, "comment")
        screening = get_screening(unit, who, screening_id)
        if screening.state not in REVIEWABLE:
            raise IllegalMove(f"a screening that is {screening.state} takes no comment")
        commented = replace(screening, comment=comment.strip().replace("\r\n", "\n"), updated_at=who.now)
        unit.screenings.save(commented)
        unit.audit.append(event(who, AuditAction.NOTE_SAVED, screening_id, kind="comment"))
        unit.commit()


def _check_length(text: str, field: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise InvalidField(field=field)
