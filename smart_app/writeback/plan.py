"""The write plan: what signing would write, how, and what not, in the words the clinician reads before signing.

Pure. Crosses the CapabilityStatement (FHIR R4), granted scopes (SMART App Launch 2.2), EHR profile, site settings and
the result itself. Safety rule 13 is part of it: what the patient may read at once, and the choice not to write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from fhir_mappings.r4 import Coding
from fhir_mappings.write_shape import ResourceKind, WriteShape
from launch.capabilities import Capabilities
from launch.ehr_profile import EhrProfile, Use
from launch.scopes import Scopes
from smart_app.model.approval import WriteChoice
from smart_app.writeback import plan_words as words
from smart_app.writeback.obstacles import Circumstances, Obstacle, find_obstacle
from smart_app.writeback.shapes import WriteMethod, build_shape, choose_note_type

__all__ = [
    "ChoiceOption",
    "PlanLine",
    "ResultFacts",
    "WriteMethod",
    "WritePlan",
    "WriteSite",
    "choose_method",
    "make_plan",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSite:
    """A site's switches. ``note_type`` None: the one of the EHR's profile; ``restricted_note_type`` None: none offered.

    ``age_of_majority`` in whole years: below it, or at an unknown age, nothing is preset (safety rule 13).
    """

    kinds: frozenset[ResourceKind] = frozenset(ResourceKind)
    note_type: Coding | None = None
    restricted_note_type: Coding | None = None
    age_of_majority: int = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """What the plan must know of the result: how many resources of each kind it makes, and its circumstances.

    ``age`` is the lowest that the birth date allows on the day of signing, in whole years, None where there is no birth
    date. ``score_words`` names the total as the page does ("Total 13"). ``launch_visit_set_aside``: the EHR had a visit
    open at launch that could not be read, and the clinician chose another, or none, in its place.
    """

    counts: Mapping[ResourceKind, int]
    score_words: str
    circumstances: Circumstances
    age: int | None
    launch_visit_set_aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """One line of the plan. ``reason_code`` (kept in the ledger) and ``reason`` are empty where ``writes``."""

    kind: ResourceKind
    label: str
    chart_as: str
    count: int
    writes: bool
    reason_code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOption:
    """One of the choices of safety rule 13 as the sign page offers it."""

    choice: WriteChoice
    label: str
    needs_reason: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """What signing would do under ``choice``; None: nothing is preset and the clinician has not chosen yet.

    ``lines`` are in write order; while ``choice`` is None they show what WRITE would do. ``shapes`` is what the
    builders get: empty where nothing is sent. ``notices`` are further sentences for the page. ``hash`` (sha256 hex)
    covers what every choice would do, so that it is the same whatever the clinician then chooses on the page.
    """

    method: WriteMethod
    choice: WriteChoice | None
    options: tuple[ChoiceOption, ...]
    lines: tuple[PlanLine, ...]
    shapes: tuple[WriteShape, ...] = field(repr=False)
    release_notice: str
    minor_notice: str
    notices: tuple[str, ...]
    text: str
    hash: str

    @property
    def written_count(self) -> int:
        """Number of resources that signing would write."""
        return sum(line.count for line in self.lines if line.writes)

    @property
    def unwritten_count(self) -> int:
        """Number of resources that signing would not write."""
        return sum(line.count for line in self.lines if not line.writes)

    def find_option(self, choice: WriteChoice | None) -> ChoiceOption | None:
        """Give the option of a choice, None where it is not offered."""
        return next((option for option in self.options if option.choice is choice), None)


def make_plan(
    *,
    capabilities: Capabilities | None,
    scopes: Scopes,
    profile: EhrProfile,
    site: WriteSite,
    facts: ResultFacts,
    choice: WriteChoice | None = None,
) -> WritePlan:
    """Make the plan. ``choice`` None takes the preset: WRITE for an adult, nothing for a minor or an unknown age.

    ``capabilities`` None: the CapabilityStatement could not be read, so that nothing can be promised. A choice that is
    not offered gives a plan that signing refuses.
    """
    obstacles = _find_obstacles(capabilities, scopes, profile, site, facts)
    options = _offer(obstacles, site)
    plans = {option.choice: _lines(option.choice, obstacles, profile, site, facts) for option in options}
    adult = facts.age is not None and facts.age >= site.age_of_majority
    taken = choice or (options[0].choice if adult else None)
    shown = taken if taken in plans else options[0].choice
    lines = plans[shown]
    written = tuple(line.kind for line in lines if line.writes)
    count = sum(line.count for line in lines if line.writes)
    method = choose_method(capabilities, profile, resources=count)
    minor_notice = words.minor_notice(facts.age, site.age_of_majority)
    notices = words.visit_notices(facts.circumstances.has_encounter, facts.launch_visit_set_aside) if written else ()
    text = words.plan_text([(line.label, line.chart_as, line.writes, line.reason) for line in lines], notices)
    return WritePlan(
        method=method,
        choice=taken,
        options=options,
        lines=lines,
        shapes=tuple(
            build_shape(kind, profile=profile, method=method, note_type=_note_type(shown, profile, site))
            for kind in written
        ),
        release_notice=words.UNDECIDED_RELEASE if taken is None else words.RELEASE_NOTICES[shown],
        minor_notice=minor_notice,
        notices=notices,
        text=text,
        hash=_hash(options, plans, minor_notice, notices),
    )


def choose_method(capabilities: Capabilities | None, profile: EhrProfile, *, resources: int) -> WriteMethod:
    """Give TRANSACTION for two resources or more where the EHR lists it and its profile does not advise against it."""
    listed = capabilities is not None and capabilities.transaction and profile.transaction is Use.AUTO
    return WriteMethod.TRANSACTION if listed and resources > 1 else WriteMethod.SINGLE


Obstacles = dict[ResourceKind, Obstacle | None]


def _find_obstacles(
    capabilities: Capabilities | None, scopes: Scopes, profile: EhrProfile, site: WriteSite, facts: ResultFacts
) -> Obstacles:
    found: Obstacles = {
        kind: find_obstacle(
            kind,
            capabilities=capabilities,
            scopes=scopes,
            profile=profile,
            switched_on=kind in site.kinds,
            circumstances=facts.circumstances,
        )
        for kind in ResourceKind
        if facts.counts.get(kind, 0)
    }
    if all(obstacle for kind, obstacle in found.items() if kind is not ResourceKind.PROVENANCE):
        # A Provenance needs a target: with nothing written there is nothing it could speak of.
        found = {kind: obstacle or Obstacle.NOTHING_WRITTEN for kind, obstacle in found.items()}
    return found


def _offer(obstacles: Obstacles, site: WriteSite) -> tuple[ChoiceOption, ...]:
    """Give the choices there are, the usual one first. Not writing needs a reason only where writing was possible."""
    possible = any(obstacle is None for obstacle in obstacles.values())
    choices = [WriteChoice.WRITE] if possible else []
    if site.restricted_note_type is not None and obstacles.get(ResourceKind.DOCUMENT_REFERENCE, True) is None:
        choices.append(WriteChoice.RESTRICTED)
    choices += [WriteChoice.KEEP, WriteChoice.COPY_BY_HAND]
    return tuple(
        ChoiceOption(
            choice=choice,
            label=words.CHOICE_LABELS[choice],
            needs_reason=possible and choice in {WriteChoice.KEEP, WriteChoice.COPY_BY_HAND},
        )
        for choice in choices
    )


def _lines(
    choice: WriteChoice, obstacles: Obstacles, profile: EhrProfile, site: WriteSite, facts: ResultFacts
) -> tuple[PlanLine, ...]:
    lines: list[PlanLine] = []
    note_type = _note_type(choice, profile, site)
    note_written = choice in {WriteChoice.WRITE, WriteChoice.RESTRICTED} and (
        obstacles.get(ResourceKind.DOCUMENT_REFERENCE, Obstacle.NOT_LISTED) is None
    )
    for kind, own in obstacles.items():
        obstacle = own or _chosen_obstacle(choice, kind)
        count = facts.counts.get(kind, 0)
        label = words.kind_label(kind, count=count, score_words=facts.score_words)
        chart_as = words.chart_as(kind, count=count, profile=profile, note_type=note_type)
        if obstacle is None:
            lines.append(PlanLine(kind=kind, label=label, chart_as=chart_as, count=count, writes=True))
            continue
        reason = words.obstacle_words(obstacle, kind, note_written=note_written)
        lines.append(
            PlanLine(
                kind=kind,
                label=label,
                chart_as=chart_as,
                count=count,
                writes=False,
                reason_code=obstacle.value,
                reason=reason,
            )
        )
    return tuple(lines)


def _chosen_obstacle(choice: WriteChoice, kind: ResourceKind) -> Obstacle | None:
    match choice:
        case WriteChoice.WRITE:
            return None
        case WriteChoice.RESTRICTED:
            # Only the note has a restricted type; anything else would be released as usual.
            return None if kind is ResourceKind.DOCUMENT_REFERENCE else Obstacle.RESTRICTED
        case WriteChoice.KEEP:
            return Obstacle.KEPT_HERE
        case WriteChoice.COPY_BY_HAND:
            return Obstacle.COPIED_BY_HAND


def _note_type(choice: WriteChoice, profile: EhrProfile, site: WriteSite) -> Coding:
    if choice is WriteChoice.RESTRICTED and site.restricted_note_type is not None:
        return site.restricted_note_type
    return choose_note_type(profile, site.note_type)


def _hash(
    options: tuple[ChoiceOption, ...],
    plans: Mapping[WriteChoice, tuple[PlanLine, ...]],
    minor_notice: str,
    notices: tuple[str, ...],
) -> str:
    seen = {
        "options": [[option.choice, option.label, option.needs_reason] for option in options],
        "lines": {
            choice: [[ln.kind, ln.label, ln.chart_as, ln.count, ln.writes, ln.reason] for ln in lines]
            for choice, lines in plans.items()
        },
        "release": [words.RELEASE_NOTICES[option.choice] for option in options],
        "minor": minor_notice,
        "notices": notices,
    }
    return hashlib.sha256(json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
