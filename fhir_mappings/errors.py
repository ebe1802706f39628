"""What can go wrong in a mapping: one root, stable codes, and issues that travel beside a value.

An exception or issue names the element (a FHIRPath-like expression) and never its content: contents are patient data.
Severities are those of OperationOutcome.issue (http://hl7.org/fhir/R4/valueset-issue-severity.html).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")


class MappingError(Exception):
    """Nothing useful can be made of the input."""

    code: ClassVar[str] = "mapping-error"

    def __init__(self, expression: str, problem: str) -> None:
        super().__init__(f"{expression}: {problem}")
        self.expression = expression
        self.problem = problem


class MalformedJson(MappingError):
    """Bytes that are not one well-formed, bounded JSON object without doubled keys."""

    code = "malformed-json"


class MalformedResource(MappingError):
    """A resource from outside lacks an element, or an element has the wrong JSON type or code."""

    code = "malformed-resource"


class MalformedInstrument(MappingError):
    """An instrument Bundle breaks the rules of docs/instruments.md."""

    code = "malformed-instrument"


class CanonicalMismatch(MappingError):
    """A response answers another Questionnaire than the one it is read with."""

    code = "canonical-mismatch"


class UnknownItem(MappingError):
    """A linkId that the instrument does not have."""

    code = "unknown-item"


class UnknownOption(MappingError):
    """An answer code that is not among the item's options."""

    code = "unknown-option"


class UnfitAnswer(MappingError):
    """An answer that its item does not take: another type, outside its limits, too many."""

    code = "unfit-answer"


class ImpreciseDateTime(MappingError):
    """A date that must be known at least to the day is not (US Core invariant us-core-1)."""

    code = "imprecise-date-time"


class MissingRelationship(MappingError):
    """A proxy answered, and nobody says who that is to the patient."""

    code = "missing-relationship"


class UnknownFigure(MappingError):
    """A change threshold that the instrument does not publish."""

    code = "unknown-figure"


class UnsupportedContentType(MappingError):
    """A note content type that can't be built."""

    code = "unsupported-content-type"


class InexactNumber(MappingError):
    """A binary float where the document's own digits are needed."""

    code = "inexact-number"


class UnresolvedReference(MappingError):
    """A reference that should have been replaced, or restored, has no counterpart."""

    code = "unresolved-reference"


class MissingOrganization(MappingError):
    """A Provenance without organization: US Core provenance-1 wants agent.onBehalfOf."""

    code = "missing-organization"


class Severity(StrEnum):
    """OperationOutcome.issue.severity, without `fatal`: a fatal problem is an exception here."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One finding beside a result; `text` holds no patient data."""

    severity: Severity
    code: str
    expression: str
    text: str

    def to_json(self) -> dict[str, str]:
        """Give the form that the command line prints."""
        return {"severity": self.severity, "code": self.code, "expression": self.expression, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped(Generic[T]):
    """A value made from outside input, and what was found on the way."""

    value: T
    issues: tuple[Issue, ...] = ()
