"""The golden cases as the product sees them: parsed, signed with fixed identities and times, extracted.

    python -m tests.golden.golden_cases             records bundle.json of telling cases from the product's output

A recorded Bundle is evidence of nothing by itself: tests/unit/fhir_mappings/test_golden.py checks each against the
facts, and tests/conformance/test_validator.py runs the HL7 validator over it. Read the difference before committing.
"""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fhir_mappings.administration import Administration, Informant, Mode, Party
from fhir_mappings.extract import PlannedResource, build_chart_resources, build_transaction, shapes_for
from fhir_mappings.instrument import Instrument, parse_instrument
from fhir_mappings.note import build_note_text
from fhir_mappings.r4 import format_json
from fhir_mappings.response import parse_response
from fhir_mappings.result import AlertSummary, ScreeningResult, SignedResult, Signer, Subject
from fhir_mappings.scoring import score_answers
from smart_app.licensed_text import complete_bundle, read_licensed_text

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data"
INSTRUMENT_FILES = sorted((ROOT / "fhir_mappings" / "instruments").glob("*.json"))
ALL_CASES = sorted(path.parent for path in DATA.glob("*/*/response.json"))
CASES = sorted(path.parent for path in DATA.glob("*/*/bundle.json"))
"""The cases whose written Bundle is recorded: each kind of result once per instrument."""

_RECORDED = {"lowest", "highest", "one-missing-not-known", "one-declined", "all-missing"}
_RECORDED |= {"total-13-item-9-one", "item-9-alone", "item-9-missing", "item-12-alone", "acuity-not-known", "acute"}
_ALSO_RECORDED = {"phq-9/total-15", "phq-9/one-missing-positive"}


def load_instrument(instrument_id: str) -> Instrument:
    return parse_instrument((ROOT / "fhir_mappings" / "instruments" / f"{instrument_id}.json").read_bytes())


@cache
def give_instrument(instrument_id: str) -> Instrument:
    """The instrument as a site gives it: with the test site's words where it ships without its own."""
    path = DATA / instrument_id / "site-text.toml"
    instrument = load_instrument(instrument_id)
    if not path.exists():
        return instrument
    completed = complete_bundle(instrument.bundle, read_licensed_text(path), path)
    return parse_instrument(format_json(completed).encode())


def load_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def sign_case(case: Path, instrument: Instrument) -> SignedResult:
    return sign_answers((case / "response.json").read_bytes(), instrument)


def sign_answers(response: bytes | dict[str, Any], instrument: Instrument) -> SignedResult:
    parsed = parse_response(response, instrument).value
    report = score_answers(instrument, parsed.answers, handed_in=parsed.handed_in).value
    common: dict[str, Any] = {
        "instrument": instrument,
        "answers": parsed.answers,
        "report": report,
        "administration": Administration(
            informant=Informant.PATIENT,
            mode=Mode.HANDED_OVER_DEVICE,
            answered_at=parsed.authored or "",
            language="en-US",
            administered_by=Party(reference="Practitioner/ana", display="Ana Ruiz, MA"),
        ),
        "patient": Subject(reference="Patient/rosa", display="Rosa Delgado-Quinn", birth_date="1986-03-14"),
        "encounter": parsed.encounter,
        "alerts": tuple(
            AlertSummary(link_id=flag.link_id, state="closed by Miriam Okafor, MD, 23 Nov 2026 10:52.")
            for flag in report.alerts
        ),
    }
    return SignedResult(
        **common,
        signer=Signer(reference="Practitioner/miriam", display="Miriam Okafor, MD"),
        signed_at=datetime.fromisoformat("2026-11-23T10:55:00-05:00"),
        organization=Party(reference="Organization/alder-creek", display="Alder Creek Behavioral Health"),
        note_text=build_note_text(ScreeningResult(**common)),
        reference_code="SS-7K3M-Q9RT",
        software_version="1.0.0",
    )


def plan_case(case: Path, instrument: Instrument) -> tuple[PlannedResource, ...]:
    result = sign_case(case, instrument)
    name = f"{case.parent.name}/{case.name}"
    return build_chart_resources(result, shapes_for(result), lambda key: uuid5(NAMESPACE_URL, f"{name}#{key}"))


def main() -> None:
    for case in ALL_CASES:
        if (case.parent / "site-text.toml").exists():
            # Words of a test are no record of what is written.
            continue
        if case.name not in _RECORDED and f"{case.parent.name}/{case.name}" not in _ALSO_RECORDED:
            (case / "bundle.json").unlink(missing_ok=True)
            continue
        bundle = build_transaction(plan_case(case, give_instrument(case.parent.name)), conditional=True)
        (case / "bundle.json").write_text(json.dumps(bundle, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
