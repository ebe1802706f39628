"""Who answered a screening, and how: informant, mode, helpers, time, language.

Written into QuestionnaireResponse.author, .source, .authored and the completionMode extension
(http://hl7.org/fhir/R4/extension-questionnaireresponse-completionmode.html), into Observation.effective[x] and
.performer, into Provenance and into the note.
"""

from dataclasses import dataclass
from enum import StrEnum

from fhir_mappings.element import Element
from fhir_mappings.errors import ImpreciseDateTime, MissingRelationship
from fhir_mappings.r4 import PartialDateTime, Precision, parse_partial_date_time
from fhir_mappings.systems import EXT_ADMINISTRATION


class Informant(StrEnum):
    """Whose answers these are."""

    PATIENT = "patient"
    PROXY = "proxy"
    ASSISTED = "assisted"


class Mode(StrEnum):
    """How the answers were taken."""

    OWN_DEVICE = "own-device"
    HANDED_OVER_DEVICE = "handed-over-device"
    INTERVIEW = "interview"
    TELEPHONE = "telephone"
    VIDEO = "video"
    PAPER = "paper"


PROXY_WORDS = " of the patient"
"""How the display of a proxy ends whom the EHR knows by no reference: "mother of the patient"."""

SELF_ENTERED = frozenset({Mode.OWN_DEVICE, Mode.HANDED_OVER_DEVICE})
"""Modes in which the informant wrote the answers down, not a member of staff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A person or organization by FHIR reference ("Practitioner/7"; None where only a name is known) and name."""

    reference: str | None
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """Who and how of one screening.

    `relationship` is the proxy's, in words ("mother"); `proxy` is the proxy as a RelatedPerson where the EHR has one.
    `administered_by` gave the form, `entered_by` typed the answers (None: the informant did).
    `language` is a BCP 47 code, `language_name` what the note calls it ("English"); "" where only the code is known.
    `answered_at` is a FHIR dateTime as precise as it is known, at least to the day.
    `knowingly_by` gave it outside the validated ages, knowing it. `interpreter`: the words asked were not the
    validated ones.
    Raises: ImpreciseDateTime; MissingRelationship for a proxy without one.
    """

    informant: Informant
    mode: Mode
    answered_at: str
    language: str
    relationship: str | None = None
    proxy: Party | None = None
    administered_by: Party | None = None
    entered_by: Party | None = None
    interpreter: bool = False
    language_name: str = ""
    knowingly_by: Party | None = None

    def __post_init__(self) -> None:
        if self.when.precision < Precision.DAY:
            raise ImpreciseDateTime("administration.answered_at", "must be known at least to the day")
        if self.informant is Informant.PROXY and not self.relationship:
            raise MissingRelationship(
                "administration.relationship", "a proxy's relationship to the patient must be told"
            )

    @property
    def when(self) -> PartialDateTime:
        """`answered_at`, parsed."""
        return parse_partial_date_time(self.answered_at, "administration.answered_at")

    def get_source(self, patient: Party) -> Party:
        """Give who gave the answers: the patient, or the proxy by reference or in words."""
        if self.informant is not Informant.PROXY:
            return patient
        return self.proxy or Party(reference=None, display=f"{self.relationship}{PROXY_WORDS}")

    def get_author(self, patient: Party) -> Party:
        """Give who wrote the answers down: staff in interviews and on paper, else whoever gave them."""
        if self.mode in SELF_ENTERED:
            return self.entered_by or self.get_source(patient)
        return self.entered_by or self.administered_by or self.get_source(patient)


def find_administration(response: Element) -> Administration | None:
    """Read who and how out of a QuestionnaireResponse that we built; None where it carries no such extension.

    Raises: MalformedResource for an extension, time or language that can't be read.
    """
    details = response.find_extension(EXT_ADMINISTRATION)
    if details is None:
        return None
    relationship = details.find_extension("relationship")
    interpreter = details.find_extension("interpreter")
    informant = details.extension("informant").string("valueCode")
    mode = details.extension("mode").string("valueCode")
    source = response.find_child("source")
    try:
        return Administration(
            informant=Informant(informant),
            mode=Mode(mode),
            answered_at=response.string("authored"),
            language=response.string("language"),
            relationship=None if relationship is None else relationship.string("valueString"),
            proxy=_find_party(source) if informant == Informant.PROXY else None,
            administered_by=_find_party(_find_reference(details, "administeredBy")),
            entered_by=_find_party(_find_reference(details, "enteredBy")),
            knowingly_by=_find_party(_find_reference(details, "knowinglyBy")),
            interpreter=interpreter is not None and interpreter.boolean("valueBoolean"),
        )
    except (ValueError, ImpreciseDateTime, MissingRelationship) as error:
        raise details.fault("", "informant, mode, time or relationship not known") from error


def _find_reference(details: Element, url: str) -> Element | None:
    extension = details.find_extension(url)
    return None if extension is None else extension.find_child("valueReference")


def _find_party(reference: Element | None) -> Party | None:
    if reference is None:
        return None
    return Party(reference=reference.find_string("reference"), display=reference.find_string("display") or "")
