"""Rights: what a user may do, from the site's rules (design section 7, "Rights")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from smart_app.errors import AppError
from smart_app.model.identity import User


class Right(StrEnum):
    """Each thing a site can allow."""

    ENTER = "enter"
    ACT_ON_ALERT = "act-on-alert"
    CLOSE_ALERT = "close-alert"
    SIGN = "sign"
    CO_SIGN = "co-sign"
    ADMINISTER = "administer"


EVERYONE = frozenset({Right.ENTER, Right.ACT_ON_ALERT})
NEEDS_FHIR_USER = frozenset({Right.CLOSE_ALERT, Right.SIGN, Right.CO_SIGN})


class NotAllowed(AppError):
    """The user lacks the right; the server refuses whatever the page showed."""

    code = "not-allowed"
    title = "You may not do this here"
    remedy = "Ask a colleague who has the right, or the person who looks after this app at your site."
    http_status = 403


class PatientAccount(NotAllowed):
    """A patient or a relative has come to a page for clinic staff."""

    code = "patient-account"
    title = "This app is for clinic staff"
    remedy = (
        "You are signed in with an account of a patient or a relative. Close this page. "
        "If the clinic has asked you to answer questions, ask the clinic how."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsRule:
    """One line of ``[rights]``: gives ``right`` to whom it names. A user must match every part that is given.

    ``fhir_user_type`` is a resource type; ``role_codes`` are PractitionerRole codes as ``system|code``;
    ``identities`` are fhirUser references or id_token subjects; ``supervisor``: the signature waits for that person,
    whom pages call ``supervisor_name`` (None: by the EHR's name).
    """

    right: Right
    fhir_user_type: str | None = None
    role_codes: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()
    ehr_id: str | None = None
    supervisor: str | None = None
    supervisor_name: str | None = None


def rights_of(
    user: User, *, ehr_id: str, role_codes: Iterable[str], rules: Iterable[RightsRule]
) -> dict[Right, RightsRule | None]:
    """Give the rights of a user; the value is the rule that gave it, None for what everyone may do.

    By default everyone on the staff side may enter and act on an alert, and nobody may sign or close.
    Without ``fhir_user`` nobody signs or closes, whatever the rules say. A Patient or RelatedPerson has none.
    """
    if user.is_patient_side:
        return {}
    rights: dict[Right, RightsRule | None] = dict.fromkeys(EVERYONE)
    codes = frozenset(role_codes)
    for rule in rules:
        if rule.right in NEEDS_FHIR_USER and user.fhir_user is None:
            continue
        if _matches(rule, user, ehr_id, codes) and (rule.right not in rights or rights[rule.right] is None):
            rights[rule.right] = rule
    return rights


def _matches(rule: RightsRule, user: User, ehr_id: str, codes: frozenset[str]) -> bool:
    if rule.ehr_id is not None and rule.ehr_id != ehr_id:
        return False
    if rule.fhir_user_type is not None and rule.fhir_user_type != user.resource_type:
        return False
    if rule.role_codes and not rule.role_codes & codes:
        return False
    return not rule.identities or bool(rule.identities & {user.fhir_user, user.subject})
