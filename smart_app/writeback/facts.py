"""What the plan must know of a result: counted by a trial extraction, so that plan and signature cannot disagree."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from datetime import date, datetime
from uuid import UUID

from fhir_mappings.administration import Party
from fhir_mappings.extract import build_chart_resources
from fhir_mappings.note import sign_note_text
from fhir_mappings.r4 import Precision
from fhir_mappings.result import ScreeningResult, SignedResult, Signer
from fhir_mappings.scores import Score
from fhir_mappings.write_shape import ALL_SHAPES, ResourceKind
from smart_app.writeback.obstacles import Circumstances
from smart_app.writeback.plan import ResultFacts

_NOBODY_SIGNS = "Practitioner/none"
_NOBODY = Party(reference="Organization/none", display="none")


def signed_result(
    result: ScreeningResult,
    *,
    signer: Signer,
    signed_at: datetime,
    organization: Party | None,
    note_text: str,
    reference_code: str,
    software_version: str,
    co_signer: Party | None = None,
) -> SignedResult:
    """Put a signature to a result."""
    return SignedResult(
        **{part.name: getattr(result, part.name) for part in fields(ScreeningResult)},
        signer=signer,
        signed_at=signed_at,
        organization=organization,
        note_text=note_text,
        reference_code=reference_code,
        software_version=software_version,
        co_signer=co_signer,
    )


def find_facts(
    result: ScreeningResult,
    *,
    signer: Signer,
    note_text: str,
    organization: Party | None,
    now: datetime,
    co_signer: Party | None = None,
    launch_visit_set_aside: bool = False,
) -> ResultFacts:
    """Count what the result makes when everything is written, and see what it comes with.

    ``now`` is aware. ``co_signer``: whose signature it waits for before it is sent.
    """
    trial = signed_result(
        result,
        # The display alone counts: whom the EHR does not know has no reference to build with.
        signer=Signer(reference=_NOBODY_SIGNS, display=signer.display or _NOBODY_SIGNS),
        signed_at=now,
        organization=organization or _NOBODY,
        note_text=note_text,
        reference_code="SS-0000-0000",
        software_version="0",
        co_signer=co_signer,
    )
    numbers: dict[str, UUID] = {}
    planned = build_chart_resources(trial, ALL_SHAPES, lambda key: numbers.setdefault(key, UUID(int=len(numbers) + 1)))
    counts: Counter[ResourceKind] = Counter(resource.kind for resource in planned)
    return ResultFacts(
        counts=dict(counts),
        score_words=_score_words(result),
        circumstances=Circumstances(
            has_encounter=result.encounter is not None,
            has_organization=organization is not None,
            has_time=result.administration.when.precision >= Precision.SECOND,
            signer_is_practitioner=signer.reference.startswith("Practitioner/"),
            awaits_co_signature=co_signer is not None,
            note_characters=len(sign_note_text(trial)),
        ),
        age=lowest_age(result.patient.birth_date, now.date()),
        launch_visit_set_aside=launch_visit_set_aside,
    )


def lowest_age(birth_date: str | None, on: date) -> int | None:
    """Give the lowest age in whole years that a FHIR date (year, month or day) allows; None without one."""
    try:
        born = [int(part) for part in (birth_date or "").split("-")]
    except ValueError:
        return None
    # The latest birth date that fits: 31 December of a year, the 31st of a month.
    year, month, day = ([*born, 12, 31] if len(born) == 1 else [*born, 31])[:3]
    return on.year - year - ((on.month, on.day) < (month, day))


def _score_words(result: ScreeningResult) -> str:
    """Name the scores: "Total 13"; one that is not known is never named by a number."""
    pairs = zip(result.instrument.scores, result.report.scores, strict=True)
    return ", ".join(_name_score(definition.label, score) for definition, score in pairs)


def _name_score(label: str, score: Score) -> str:
    if score.is_level:
        return f"{label}, {'not known' if score.band is None else score.band.chart_label}"
    return f"{label}, not known" if score.value is None else f"{label} {score.value}"
