"""How one vendor's EHR departs from the standard: rules of launch/ehr_profiles/NAME.toml (FHIR R4 http; SMART 2.2).

A file states only departures from generic.toml, which states every rule. Each rule is a table with `value`, `source`
and `confidence`, so that a reader knows how sure we are. An unknown key or an empty rule refuses to load.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from importlib import resources
from typing import Any, TypeVar

from launch.errors import InvalidEhrProfile


class AbsenceProof(StrEnum):
    """What proves that a write of unknown outcome did not happen (design: "Resolving unknown")."""

    CONDITIONAL_CREATE = "conditional-create"
    IDENTIFIER_SEARCH = "identifier-search"
    NONE = "none"


class Use(StrEnum):
    """Whether to use an ability: as the CapabilityStatement says, or never because it is known not to work."""

    AUTO = "auto"
    NEVER = "never"


class Create(StrEnum):
    """Whether to create a type: as the CapabilityStatement says, never, or never ours, for it takes only its own kinds.

    Own kinds are what the EHR itself has set up: mapped flowsheet rows, assigned questionnaires, its own profile.
    """

    AUTO = "auto"
    NEVER = "never"
    OWN_KINDS = "own-kinds"


class NoteAuthor(StrEnum):
    """Whose note it may be: anyone's, or only that of the provider whose token sends it."""

    ANY = "any"
    SIGNED_IN_PRACTITIONER = "signed-in-practitioner"


class ScopeVersion(StrEnum):
    """How scopes are spelled: as discovery says, or fixed."""

    AUTO = "auto"
    V1 = "v1"
    V2 = "v2"


class NoteLookUp(StrEnum):
    """How a note of ours is found again: by its identifier, or by reading contents for its reference line."""

    IDENTIFIER = "identifier"
    CONTENT = "content"


class Confidence(StrEnum):
    """How sure a rule is: read at the source or in a third party's capture, recalled, inferred, or seen in a test."""

    SOURCE = "source"
    THIRD_PARTY = "third-party"
    RECALLED = "recalled"
    INFERRED = "inferred"
    TESTED = "tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOrigin:
    """Where a rule comes from. `profile` is the file that states it."""

    profile: str
    source: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class EhrProfile:
    """The rules of one vendor, complete.

    `settle_seconds`: how long to wait between two empty look-ups. `note_content_types`: those accepted, best first.
    `note_type`: LOINC code of the note. `note_doc_status`: what a signed note is sent with. `note_author`: see
    NoteAuthor. `note_authenticator`: whether the element is sent. `note_needs_time`: whether the period must have a
    time of day. `note_max_characters`: of the text with its signature lines, 0 where no limit is known.
    `observation_create`, `questionnaire_response_create`, `provenance_create`: other than `auto` where the
    CapabilityStatement promises more than it keeps.
    """

    name: str
    title: str
    absence_proof: AbsenceProof
    settle_seconds: int
    transaction: Use
    conditional_create: Use
    observation_create: Create
    questionnaire_response_create: Create
    provenance_create: Create
    note_content_types: tuple[str, ...]
    note_max_contents: int
    note_type: str
    note_doc_status: str
    note_look_up: NoteLookUp
    note_needs_encounter: bool
    note_needs_time: bool
    note_author: NoteAuthor
    note_authenticator: bool
    note_max_characters: int
    scope_version: ScopeVersion
    break_the_glass_codes: tuple[str, ...]
    origins: Mapping[str, RuleOrigin]


_RULES = frozenset(field.name for field in fields(EhrProfile)) - {"name", "title", "origins"}
_MAY_BE_EMPTY = frozenset({"break_the_glass_codes"})
_GENERIC = "generic"


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that ship with the package, sorted."""
    files = resources.files("launch.ehr_profiles").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def get_ehr_profile(name: str) -> EhrProfile:
    """Load one shipped profile on top of the generic one. Raises InvalidEhrProfile."""
    if name not in profile_names():
        raise InvalidEhrProfile("there is no such profile", field="profile")
    texts = {
        part: resources.files("launch.ehr_profiles").joinpath(f"{part}.toml").read_text("utf-8")
        for part in {_GENERIC, name}
    }
    return parse_ehr_profile(name, texts[name], generic=texts[_GENERIC])


def parse_ehr_profile(name: str, text: str, *, generic: str) -> EhrProfile:
    """Read the TOML `text` of profile `name` over that of the generic profile. Raises InvalidEhrProfile."""
    title, own = _parse_rules(name, text)
    _, base = _parse_rules(_GENERIC, generic)
    rules = {**base, **own}
    if missing := sorted(_RULES - rules.keys()):
        raise InvalidEhrProfile("generic.toml must state this rule", field=missing[0])
    values = {rule: value for rule, (value, _) in rules.items()}
    return EhrProfile(
        name=name,
        title=title,
        absence_proof=_choice(AbsenceProof, values, "absence_proof"),
        settle_seconds=_whole(values, "settle_seconds"),
        transaction=_choice(Use, values, "transaction"),
        conditional_create=_choice(Use, values, "conditional_create"),
        observation_create=_choice(Create, values, "observation_create"),
        questionnaire_response_create=_choice(Create, values, "questionnaire_response_create"),
        provenance_create=_choice(Create, values, "provenance_create"),
        note_content_types=_texts(values, "note_content_types"),
        note_max_contents=_whole(values, "note_max_contents"),
        note_type=_text(values, "note_type"),
        note_doc_status=_text(values, "note_doc_status"),
        note_look_up=_choice(NoteLookUp, values, "note_look_up"),
        note_needs_encounter=_flag(values, "note_needs_encounter"),
        note_needs_time=_flag(values, "note_needs_time"),
        note_author=_choice(NoteAuthor, values, "note_author"),
        note_authenticator=_flag(values, "note_authenticator"),
        note_max_characters=_whole(values, "note_max_characters"),
        scope_version=_choice(ScopeVersion, values, "scope_version"),
        break_the_glass_codes=_texts(values, "break_the_glass_codes"),
        origins={rule: origin for rule, (_, origin) in rules.items()},
    )


def _parse_rules(name: str, text: str) -> tuple[str, dict[str, tuple[Any, RuleOrigin]]]:
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InvalidEhrProfile(f"{name}.toml is not TOML") from exc
    title = parsed.pop("title", None)
    if not isinstance(title, str) or not title:
        raise InvalidEhrProfile(f"{name}.toml needs it", field="title")
    if unknown := sorted(parsed.keys() - _RULES):
        raise InvalidEhrProfile(f"{name}.toml has a rule that nothing reads", field=unknown[0])
    return title, {rule: _parse_rule(name, rule, table) for rule, table in parsed.items()}


def _parse_rule(name: str, rule: str, table: object) -> tuple[Any, RuleOrigin]:
    if not isinstance(table, dict) or table.keys() != {"value", "source", "confidence"}:
        raise InvalidEhrProfile("a rule is a table of value, source and confidence", field=rule)
    if table["value"] in ("", []) and rule not in _MAY_BE_EMPTY:
        raise InvalidEhrProfile("the rule is empty", field=rule)
    source = table["source"]
    if not isinstance(source, str) or not source:
        raise InvalidEhrProfile("its source is empty", field=rule)
    origin = RuleOrigin(profile=name, source=source, confidence=_choice(Confidence, table, "confidence", rule=rule))
    return table["value"], origin


_Choice = TypeVar("_Choice", bound=StrEnum)


def _choice(kind: type[_Choice], values: Mapping[str, Any], name: str, *, rule: str | None = None) -> _Choice:
    try:
        return kind(values[name])
    except ValueError as exc:
        raise InvalidEhrProfile(f"must be one of {', '.join(kind)}", field=rule or name) from exc


def _whole(values: Mapping[str, Any], name: str) -> int:
    value = values[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidEhrProfile("must be a whole number, not negative", field=name)
    return value


def _flag(values: Mapping[str, Any], name: str) -> bool:
    value = values[name]
    if not isinstance(value, bool):
        raise InvalidEhrProfile("must be true or false", field=name)
    return value


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str) or not value:
        raise InvalidEhrProfile("must be a non-empty string", field=name)
    return value


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = values[name]
    if not isinstance(value, list) or not all(isinstance(part, str) and part for part in value):
        raise InvalidEhrProfile("must be a list of non-empty strings", field=name)
    return tuple(value)
