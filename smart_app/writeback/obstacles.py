"""Why one kind of resource cannot be written here: the first obstacle found, from site to EHR to visit (pure).

Sources: CapabilityStatement.rest.resource.interaction (FHIR R4); granted scopes (SMART App Launch 2.2); US Core 6.1
provenance-1 (``onBehalfOf``); the rules of the EHR's profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fhir_mappings.systems import OBSERVATION_CATEGORY
from fhir_mappings.write_shape import ResourceKind
from launch.capabilities import Capabilities
from launch.ehr_profile import Create, EhrProfile, NoteAuthor
from launch.scopes import Scopes
from smart_app.writeback.shapes import choose_content_types


class Obstacle(StrEnum):
    """Stable codes of why a kind is not written; they go into the ledger."""

    SWITCHED_OFF = "switched-off"
    EHR_UNKNOWN = "ehr-unknown"
    KNOWN_NOT_TO_WORK = "known-not-to-work"
    OWN_KINDS_ONLY = "own-kinds-only"
    NOT_LISTED = "not-listed"
    NO_SCOPE = "no-scope"
    NO_CONTENT_TYPE = "no-content-type"
    NO_ENCOUNTER = "no-encounter"
    NO_TIME = "no-time"
    NO_PRACTITIONER = "no-practitioner"
    CO_SIGNED = "co-signed"
    TOO_LONG = "too-long"
    NO_ORGANIZATION = "no-organization"
    NOTHING_WRITTEN = "nothing-written"
    RESTRICTED = "restricted"
    KEPT_HERE = "kept-here"
    COPIED_BY_HAND = "copied-by-hand"


BY_CHOICE = frozenset({Obstacle.RESTRICTED, Obstacle.KEPT_HERE, Obstacle.COPIED_BY_HAND})
"""Obstacles that a person chose: their rows are cancelled, all others not supported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the result comes with, as far as it can stand in the way of a write.

    ``has_time``: the time of day of the answers is known. ``signer_is_practitioner``: the EHR knows the signer as one.
    ``awaits_co_signature``: it is sent later, with the supervisor's token. ``note_characters``: of the signed text.
    """

    has_encounter: bool
    has_organization: bool
    has_time: bool
    signer_is_practitioner: bool
    awaits_co_signature: bool
    note_characters: int


_SURVEY = {"category": f"{OBSERVATION_CATEGORY}|survey"}


def may_create(scopes: Scopes, resource_type: str) -> bool:
    """Tell whether the token lets us create this type; an Observation of ours is a survey result."""
    return scopes.allows(resource_type, "c", where=_SURVEY if resource_type == "Observation" else None)


def find_obstacle(
    kind: ResourceKind,
    *,
    capabilities: Capabilities | None,
    scopes: Scopes,
    profile: EhrProfile,
    switched_on: bool,
    circumstances: Circumstances,
) -> Obstacle | None:
    """Give the first obstacle to writing this kind, None where there is none."""
    resource_type = kind.resource_type
    rule = _create_rule(profile, resource_type)
    obstacles = {
        Obstacle.SWITCHED_OFF: not switched_on,
        Obstacle.KNOWN_NOT_TO_WORK: rule is Create.NEVER,
        Obstacle.EHR_UNKNOWN: capabilities is None,
        Obstacle.NOT_LISTED: capabilities is not None and not capabilities.allows(resource_type, "create"),
        Obstacle.OWN_KINDS_ONLY: rule is Create.OWN_KINDS,
        Obstacle.NO_SCOPE: not may_create(scopes, resource_type),
        Obstacle.NO_ORGANIZATION: kind is ResourceKind.PROVENANCE and not circumstances.has_organization,
    }
    if kind is ResourceKind.DOCUMENT_REFERENCE:
        obstacles |= _note_obstacles(profile, circumstances)
    return next((obstacle for obstacle, stands in obstacles.items() if stands), None)


def _note_obstacles(profile: EhrProfile, circumstances: Circumstances) -> dict[Obstacle, bool]:
    author_only = profile.note_author is NoteAuthor.SIGNED_IN_PRACTITIONER
    return {
        Obstacle.NO_CONTENT_TYPE: not choose_content_types(profile),
        Obstacle.NO_ENCOUNTER: profile.note_needs_encounter and not circumstances.has_encounter,
        Obstacle.NO_TIME: profile.note_needs_time and not circumstances.has_time,
        Obstacle.NO_PRACTITIONER: author_only and not circumstances.signer_is_practitioner,
        Obstacle.CO_SIGNED: author_only and circumstances.awaits_co_signature,
        Obstacle.TOO_LONG: 0 < profile.note_max_characters < circumstances.note_characters,
    }


def _create_rule(profile: EhrProfile, resource_type: str) -> Create:
    rules = {
        "Observation": profile.observation_create,
        "QuestionnaireResponse": profile.questionnaire_response_create,
        "Provenance": profile.provenance_create,
    }
    return rules.get(resource_type, Create.AUTO)
