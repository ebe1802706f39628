"""The root of the error tree, the words its remedies share, and the issue of an OperationOutcome (FHIR R4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

TRY_AGAIN = "Go back to the EHR and open the app again."
TELL_IT = "If it happens again, give your IT department the code and the number below."
WAIT = "Wait a moment, then try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One issue of an OperationOutcome. `details` are the codes of `details.coding`, often the vendor's own.

    `text` is what the EHR wrote: it may name a patient, so it is never logged.
    """

    severity: str
    code: str
    expression: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    text: str | None = field(default=None, repr=False)


class LaunchError(Exception):
    """Root of all errors of this package. `http_status` is that of our own page, not what the EHR answered."""

    code: ClassVar[str] = "launch-error"
    title: ClassVar[str] = "The app could not be opened"
    remedy: ClassVar[str] = f"{TRY_AGAIN} {TELL_IT}"
    http_status: ClassVar[int] = 502

    def __init__(
        self, problem: str = "", *, ehr_id: str | None = None, field: str | None = None, outcome: tuple[Issue, ...] = ()
    ) -> None:
        self.problem = problem
        self.ehr_id = ehr_id
        self.field = field
        self.outcome = outcome
        super().__init__(": ".join(part for part in (self.code, field, problem) if part))
