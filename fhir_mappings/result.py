"""One screening result as it goes into note and chart: answers, scores, who and how, alerts, change, signature.

The clinician's identity, the time and every id are arguments; nothing here reads a clock.
"""

from dataclasses import dataclass, field
from datetime import datetime

from fhir_mappings.administration import Administration, Party
from fhir_mappings.answers import Answers
from fhir_mappings.change import ChangeReport
from fhir_mappings.instrument import Instrument
from fhir_mappings.scores import ScoreReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The patient: reference "Patient/1", name as the EHR shows it, birth date as received."""

    reference: str
    display: str
    birth_date: str | None = None

    @property
    def party(self) -> Party:
        """The patient as one of the parties."""
        return Party(reference=self.reference, display=self.display)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The clinician who signs: reference "Practitioner/7" and the name that the note shows."""

    reference: str
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSummary:
    """What the note says about one alert.

    `state` is a phrase ("closed by Miriam Okafor, MD, 23 Nov 2026 10:52", "open, with …"); `previous_answer` the same
    item's answer last time, or earlier in this form, as a phrase; `details` are the clinician's own words, only those
    ticked for the note. `level` is a sentence on the highest level that the form reached, "" where it has none.
    """

    link_id: str
    state: str
    previous_answer: str | None = None
    details: tuple[str, ...] = ()
    level: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningResult:
    """A handed-in screening before it is signed.

    `encounter` is that of the signature ("Encounter/5"); `answered_encounter` that of the answers where it differs.
    `changes` holds one ChangeReport per score that has one. `unasked`: answers to items that the others do not enable;
    none of them goes into the response, and what they tell of risk stands in the note.
    """

    instrument: Instrument
    answers: Answers
    report: ScoreReport
    administration: Administration
    patient: Subject
    encounter: str | None = None
    answered_encounter: str | None = None
    alerts: tuple[AlertSummary, ...] = ()
    changes: tuple[ChangeReport, ...] = ()
    comment: str | None = None
    unasked: Answers = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedResult(ScreeningResult):
    """A signed screening: everything that the written resources are made from.

    `signed_at` is aware; `organization` is whom the clinician signs for, and without it no Provenance can be made;
    `note_text` is the note as edited, without the signature lines; `reference_code` is "SS-XXXX-XXXX". `co_signer` is
    the supervisor without whose signature nothing is sent: whatever stands in a chart was verified by them.
    """

    signer: Signer
    signed_at: datetime
    organization: Party | None
    note_text: str
    reference_code: str
    software_version: str
    co_signer: Party | None = None

    @property
    def verifier(self) -> Party:
        """Who answers for it: the supervisor where there is one, else the signer."""
        return self.co_signer or Party(reference=self.signer.reference, display=self.signer.display)
