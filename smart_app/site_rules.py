"""The site's ``[rights]`` as rules of the model: settings know nothing of the model, so they meet here."""

from __future__ import annotations

from smart_app.model.rights import Right, RightsRule
from smart_app.settings import RightsEntry, RightsSection


def build_rights_rules(section: RightsSection) -> tuple[RightsRule, ...]:
    """Give every rule of ``[rights]``, in the order of the file within each right."""
    lists: dict[Right, tuple[RightsEntry, ...]] = {
        Right.ENTER: section.enter,
        Right.ACT_ON_ALERT: section.act_on_alert,
        Right.CLOSE_ALERT: section.close_alert,
        Right.SIGN: section.sign,
        Right.CO_SIGN: section.co_sign,
        Right.ADMINISTER: section.administer,
    }
    return tuple(
        RightsRule(
            right=right,
            fhir_user_type=entry.fhir_user_type,
            role_codes=frozenset(entry.role_codes),
            identities=frozenset(entry.identities),
            ehr_id=entry.ehr,
            supervisor=entry.supervisor,
        )
        for right, entries in lists.items()
        for entry in entries
    )
