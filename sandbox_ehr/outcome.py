"""OperationOutcome, http://hl7.org/fhir/R4/operationoutcome.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One issue. code: from http://hl7.org/fhir/issue-type; expression: FHIRPaths of the elements concerned.

    coding: (system, code) of the server's own error codes.
    """

    code: str
    text: str
    severity: Literal["fatal", "error", "warning", "information"] = "error"
    expression: tuple[str, ...] = ()
    coding: tuple[str, str] | None = None


def build_outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """Give the OperationOutcome that lists the issues; none at all reads as success."""
    listed = issues or (Issue(code="informational", severity="information", text="All OK"),)
    return {"resourceType": "OperationOutcome", "issue": [_build_issue(issue) for issue in listed]}


def _build_issue(issue: Issue) -> dict[str, Any]:
    details: dict[str, Any] = {"text": issue.text}
    if issue.coding:
        system, code = issue.coding
        details["coding"] = [{"system": system, "code": code, "display": issue.text}]
    element: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "details": details}
    if issue.expression:
        element["expression"] = list(issue.expression)
    return element
