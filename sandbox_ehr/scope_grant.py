"""Which of the asked scopes are granted.

Source: SMART App Launch 2.2 scopes, both spellings,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

CONTEXT_SCOPES = ("launch", "launch/patient", "launch/encounter")
IDENTITY_SCOPES = ("openid", "fhirUser", "profile")
REFRESH_SCOPES = ("online_access", "offline_access")

_RESOURCE_SCOPE = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<letters>read|write|\*|c?r?u?d?s?)(?P<query>\?\S+)?"
)
_WITHHELD = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\.(?P<letters>[cruds]+)")
_V1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}


class MalformedScope(ValueError):
    """A scope that looks like a resource scope is none; the message quotes nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeGrant:
    """What the grant depends on.

    is_ehr_launch: whether there was a launch parameter. has_patient: whether a patient is in context.
    is_staff: patients and related persons get no `user/` scopes: theirs would reach beyond the one chart.
    withheld: exact scopes, or `Type.letters` whose permissions are taken out of wider scopes.
    registered: the most the client may have, None for all.
    """

    is_ehr_launch: bool
    has_patient: bool
    is_staff: bool
    withheld: Collection[str] = ()
    registered: Collection[str] | None = None

    def grant(self, asked: str) -> str:
        """Give the granted scopes, in the order and spelling asked for, space separated; may be empty.

        Words that no specification knows are left out in silence, as RFC 6749 section 3.3 allows. Raises
        MalformedScope.
        """
        granted: list[str] = []
        for scope in dict.fromkeys(asked.split()):
            narrowed = self._narrow(scope)
            if narrowed and narrowed not in granted:
                granted.append(narrowed)
        return " ".join(granted)

    def _narrow(self, scope: str) -> str | None:
        if scope in self.withheld or (self.registered is not None and scope not in self.registered):
            return None
        if scope == "launch":
            return scope if self.is_ehr_launch else None
        if (
            scope in CONTEXT_SCOPES
            or scope.split("?", 1)[0] in CONTEXT_SCOPES
            or scope in IDENTITY_SCOPES + REFRESH_SCOPES
        ):
            return scope
        if not scope.startswith(("patient/", "user/", "system/")):
            return None
        parts = _RESOURCE_SCOPE.fullmatch(scope)
        if parts is None or not parts["letters"]:
            raise MalformedScope("scope holds a malformed resource scope")
        open_levels = {"patient": self.has_patient, "user": self.is_staff}
        if not open_levels.get(parts["level"], False):
            return None
        return self._without_withheld(scope, parts)

    def _without_withheld(self, scope: str, parts: re.Match[str]) -> str | None:
        taken = {
            letter
            for entry in self.withheld
            if (match := _WITHHELD.fullmatch(entry)) and match["type"] == parts["type"]
            for letter in match["letters"]
        }
        letters = _V1_LETTERS.get(parts["letters"], parts["letters"])
        if not taken & set(letters):
            return scope
        left = "".join(letter for letter in letters if letter not in taken)
        return f"{parts['level']}/{parts['type']}.{left}{parts['query'] or ''}" if left else None


def asks_for(scope: str, name: str) -> bool:
    """Tell whether a scope is among them, leaving aside its parameters (`launch/patient?role=x`)."""
    return any(word.split("?", 1)[0] == name for word in scope.split())


def spell_v1(scope: str) -> str:
    """Give the granted scopes in the words of SMART 1.0, `.read` and `.write`, as some EHRs answer to either spelling.

    The words say more than was granted (`.c` becomes `.write`); what the token allows stays as granted.
    """
    spelled: list[str] = []
    for word in scope.split():
        parts = _RESOURCE_SCOPE.fullmatch(word)
        if parts is None or parts["letters"] in _V1_LETTERS:
            spelled.append(word)
            continue
        letters = set(parts["letters"])
        verbs = ["read"] * bool(letters & set("rs")) + ["write"] * bool(letters & set("cud"))
        spelled += [f"{parts['level']}/{parts['type']}.{verb}" for verb in verbs]
    return " ".join(dict.fromkeys(spelled))
