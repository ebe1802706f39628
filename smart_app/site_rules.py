"""The site's settings in the words of the app: rights as rules of the model, switches as features and write rules.

Settings know nothing of the model, so the two meet here.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from fhir_mappings.r4 import Coding
from fhir_mappings.score_definition import ChangeKind
from fhir_mappings.site_choice import SiteChoice
from fhir_mappings.systems import LOINC
from fhir_mappings.write_shape import ResourceKind
from smart_app.model.rights import Right, RightsRule
from smart_app.services import EhrRules, SiteRules
from smart_app.settings import EhrOptions, InstrumentsSection, RightsEntry, RightsSection, Settings, WritesSection
from smart_app.writeback.plan import WriteSite


def build_site_rules(settings: Settings) -> SiteRules:
    """Give what the use cases need of the settings."""
    return SiteRules(
        base_url=settings.app.base_url,
        is_test=settings.environment == "test",
        rights=build_rights_rules(settings.rights),
        crisis=settings.crisis.contact,
        ehrs={ehr_id: build_ehr_rules(options) for ehr_id, options in settings.ehr_options.items()},
        zone=ZoneInfo(settings.app.time_zone),
        idle=timedelta(minutes=settings.sessions.idle_minutes),
        absolute=timedelta(hours=settings.sessions.absolute_hours),
        draft_within=timedelta(hours=settings.practice.draft_hours),
        alert_readers=frozenset(settings.alerts.readers),
        languages=tuple(settings.instruments.languages.items()),
        prorate=settings.instruments.prorate,
    )


def build_site_choice(section: InstrumentsSection) -> SiteChoice:
    """Give what the site has chosen among published cut-offs and figures of change."""
    return SiteChoice(
        cutoffs=section.cutoffs,
        figures={
            score_id: {ChangeKind(kind): figure for kind, figure in figures.items()}
            for score_id, figures in section.change_figures.items()
        },
    )


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
            supervisor_name=entry.supervisor_name,
        )
        for right, entries in lists.items()
        for entry in entries
    )


def build_ehr_rules(options: EhrOptions) -> EhrRules:
    """Give what is asked of one EHR and what is written there."""
    return EhrRules(
        features=options.features,
        write_site=_build_write_site(options.writes),
    )


def _build_write_site(writes: WritesSection) -> WriteSite:
    kinds = {
        ResourceKind.QUESTIONNAIRE_RESPONSE: writes.responses,
        ResourceKind.OBSERVATION_ITEM: writes.observations and writes.item_observations,
        ResourceKind.OBSERVATION_DIFFICULTY: writes.observations and writes.item_observations,
        ResourceKind.OBSERVATION_TOTAL: writes.observations,
        ResourceKind.OBSERVATION_PANEL: writes.observations,
        ResourceKind.DOCUMENT_REFERENCE: writes.notes,
        ResourceKind.PROVENANCE: writes.provenance,
    }
    return WriteSite(
        kinds=frozenset(kind for kind, wanted in kinds.items() if wanted),
        note_type=_loinc(writes.note_type),
        restricted_note_type=_loinc(writes.restricted_note_type),
        age_of_majority=writes.age_of_majority,
    )


def _loinc(code: str | None) -> Coding | None:
    return None if code is None else Coding(system=LOINC, code=code)
