"""`extract`: a QuestionnaireResponse in, the transaction Bundle that signing it would write out (design section 4).

Ids and reference code are made from the input (UUIDv5), so that two runs agree; nothing reads a clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import IO
from uuid import NAMESPACE_URL, UUID, uuid5

import click

from fhir_mappings.administration import Administration, Informant, Mode, Party
from fhir_mappings.errors import ImpreciseDateTime, MalformedResource, MappingError
from fhir_mappings.extract import build_chart_resources, build_transaction, shapes_for
from fhir_mappings.instrument import Instrument
from fhir_mappings.note import build_note_text
from fhir_mappings.r4 import Json, format_json, parse_json_strict, parse_partial_date_time
from fhir_mappings.response import ParsedResponse
from fhir_mappings.result import AlertSummary, ScreeningResult, SignedResult, Signer, Subject
from fhir_mappings.scoring import score_answers
from fhir_mappings.systems import RESULT_IDENTIFIER
from smart_app.cli.score import has_error, print_failure, read_bounded, read_response, score_body
from smart_app.library import load_catalog
from smart_app.version import find_version
from smart_app.writeback.reference_code import new_reference_code

_NAMESPACE = uuid5(NAMESPACE_URL, RESULT_IDENTIFIER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What the command line says of the signature; None: as the response says."""

    patient: str | None
    practitioner: str | None
    encounter: str | None
    organization: str | None
    signed_at: str | None


@click.command()
@click.option("--patient", metavar="REF", help="Patient/ID; default: the response's subject.")
@click.option("--practitioner", metavar="REF", help="Who signs, Practitioner/ID; default: the response's author.")
@click.option("--encounter", metavar="REF", help="Encounter/ID; default: the response's encounter.")
@click.option("--organization", metavar="REF", help="Whom the practitioner signs for; without it no Provenance.")
@click.option("--signed-at", metavar="T", help="FHIR instant; default: when the response was authored.")
@click.argument("file", type=click.File("rb"))
def extract(file: IO[bytes], **options: str | None) -> None:
    """Print the transaction Bundle that signing the QuestionnaireResponse in FILE (- for standard input) would write.

    A response with an answer that cannot be used is not extracted: its issues are printed, as `score` does. Exit 1.
    """
    body = read_bounded(file)
    signing = Signing(**options)
    try:
        bundle = extract_body(body, signing)
    except MappingError as exc:
        click.echo(print_failure(exc))
        raise SystemExit(1) from exc
    click.echo(format_json(bundle) if bundle is not None else score_body(body, load_catalog())[0])
    if bundle is None:
        raise SystemExit(1)


def extract_body(body: bytes, signing: Signing) -> Json | None:
    """Build the Bundle; None when an answer cannot be used. Raises MappingError."""
    instrument, parsed, issues = read_response(parse_json_strict(body), load_catalog())
    if has_error(issues):
        return None
    digest = hashlib.sha256(body).digest()
    base = uuid5(_NAMESPACE, digest.hex())

    def make_id(key: str) -> UUID:
        return uuid5(base, key)

    result = _sign(instrument, parsed, signing, digest)
    return build_transaction(build_chart_resources(result, shapes_for(result), make_id), conditional=True)


def _sign(instrument: Instrument, parsed: ParsedResponse, signing: Signing, digest: bytes) -> SignedResult:
    report = score_answers(instrument, parsed.answers, handed_in=parsed.handed_in, unasked=parsed.unasked).value
    patient = _need(signing.patient or parsed.subject, "QuestionnaireResponse.subject", "Patient", "--patient")
    author = parsed.author if parsed.author and parsed.author.startswith("Practitioner") else None
    practitioner = _need(
        signing.practitioner or author, "QuestionnaireResponse.author", "Practitioner", "--practitioner"
    )
    encounter = signing.encounter or parsed.encounter
    if encounter is not None:
        _need(encounter, "QuestionnaireResponse.encounter", "Encounter", "--encounter")
    if signing.organization is not None:
        _need(signing.organization, "--organization", "Organization", "--organization")
    unsigned = ScreeningResult(
        instrument=instrument,
        answers=parsed.answers,
        report=report,
        administration=parsed.administration or _assume_administration(instrument, parsed),
        patient=Subject(reference=patient, display=patient),
        encounter=encounter,
        answered_encounter=parsed.encounter,
        alerts=tuple(AlertSummary(link_id=flag.link_id, state="open") for flag in report.alerts),
        unasked=parsed.unasked,
    )
    return SignedResult(
        instrument=unsigned.instrument,
        answers=unsigned.answers,
        report=unsigned.report,
        administration=unsigned.administration,
        patient=unsigned.patient,
        encounter=unsigned.encounter,
        answered_encounter=unsigned.answered_encounter,
        alerts=unsigned.alerts,
        unasked=unsigned.unasked,
        signer=Signer(reference=practitioner, display=practitioner),
        signed_at=_signed_at(signing.signed_at, parsed),
        organization=_organization(signing.organization),
        note_text=build_note_text(unsigned),
        reference_code=new_reference_code(lambda size: digest[:size]),
        software_version=find_version(),
    )


def _need(reference: str | None, expression: str, resource_type: str, option: str) -> str:
    if reference is None:
        raise MalformedResource(expression, f"is missing: give {option}")
    kind, _, resource_id = reference.partition("/")
    if not kind.startswith(resource_type) or not resource_id or "/" in resource_id:
        raise MalformedResource(expression, f"is not a reference to a {resource_type} ({resource_type}/ID)")
    return reference


def _assume_administration(instrument: Instrument, parsed: ParsedResponse) -> Administration:
    """Say of a response from elsewhere only what it tells: who gave the answers, who wrote them down, when."""
    source, author = parsed.source or "", parsed.author or ""
    is_proxy = source.startswith("RelatedPerson")
    if parsed.authored is None:
        raise MalformedResource("QuestionnaireResponse.authored", "is missing")
    return Administration(
        informant=Informant.PROXY if is_proxy else Informant.PATIENT,
        relationship="related person" if is_proxy else None,
        proxy=Party(reference=source, display=source) if is_proxy else None,
        mode=Mode.INTERVIEW if author.startswith("Practitioner") else Mode.OWN_DEVICE,
        answered_at=parsed.authored,
        language=parsed.language or instrument.language,
    )


def _signed_at(text: str | None, parsed: ParsedResponse) -> datetime:
    if text is None and parsed.authored is None:
        raise ImpreciseDateTime("QuestionnaireResponse.authored", "is missing: give --signed-at")
    return parse_partial_date_time(text or parsed.authored, "--signed-at").earliest


def _organization(reference: str | None) -> Party | None:
    return None if reference is None else Party(reference=reference, display=reference)
