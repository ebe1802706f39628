"""The FHIRPath of a score, derived from its items, their conditions and its levels, so that other engines agree.

Source: SDC 4.0 calculatedExpression and weight() (http://hl7.org/fhir/uv/sdc/). One shape of text per kind of score,
empty while something that is asked has no answer. An item that its enableWhen disables counts as its lowest weight.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fhir_mappings.level_rule import Level, LevelCondition
from fhir_mappings.questionnaire import EnableWhen, Item, Operator
from fhir_mappings.r4 import Coding
from fhir_mappings.score_definition import ScoreDefinition, ScoreKind

_ANSWERS: Final = "%resource.item.where({}).answer"
_NATIVE: Final = re.compile(
    r"iif\(.* = [0-9]+, (?:(?P<factor>[0-9]+) \* )?"
    r"%resource\.item\.where\(linkId (?:in \((?P<items>[^()]*)\)|= (?P<item>'[^']*'))\)\.answer\.value\.weight\(\)"
    r"(?:\.where\(\$this >= (?P<count_from>[0-9]+)\)\.count\(\)|(?:\.combine\(0\))?\.sum\(\))(?: \+ iif\(.*\))?, \{\}\)"
)
_LINK_ID: Final = re.compile(r"'([^']+)'")


class Underivable(Exception):
    """The conditions of an item cannot be said in a native expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """What a native expression adds up, read from its text."""

    kind: ScoreKind
    item_link_ids: tuple[str, ...]
    count_from: int | None
    factor: int


def find_calculation(expression: str) -> Calculation | None:
    """Read a native expression; None for any other FHIRPath."""
    match = _NATIVE.fullmatch(expression)
    if match is None:
        return None
    return Calculation(
        kind=ScoreKind.SUM if match["count_from"] is None else ScoreKind.COUNT,
        item_link_ids=tuple(_LINK_ID.findall(match["items"] or match["item"])),
        count_from=None if match["count_from"] is None else int(match["count_from"]),
        factor=int(match["factor"] or 1),
    )


def find_named_items(expression: str) -> tuple[str, ...]:
    """Give everything that stands in quotes in an expression, once each: the linkIds are among it."""
    return tuple(dict.fromkeys(_LINK_ID.findall(expression)))


def build_expression(definition: ScoreDefinition, items: Mapping[str, Item]) -> str:
    """Write the FHIRPath of a native score.

    `items`: linkId → Item, in print order. Raises: Underivable for an item in a group, or a condition on an answer
    that is no code.
    """
    if definition.kind is ScoreKind.LEVEL:
        return _levels(definition.levels, items)
    asked = find_asked(definition.item_link_ids, items)
    weights = _answers(definition.item_link_ids) + ".value.weight()"
    if definition.kind is ScoreKind.COUNT:
        total = f"{weights}.where($this >= {definition.count_from}).count()"
    else:
        groups = _gated(definition.item_link_ids, items)
        total = f"{weights}{'.combine(0)' if groups else ''}.sum()"
        for condition, members in groups.items():
            lowest = sum(min(items[link_id].weights) for link_id in members)
            total += f" + iif({condition}, 0, {lowest})" if lowest else ""
    factor = "" if definition.factor == 1 else f"{definition.factor} * "
    return f"iif({_settled(asked, items)}, {factor}{total}, {{}})"


def find_asked(link_ids: Iterable[str], items: Mapping[str, Item]) -> tuple[str, ...]:
    """Give the items and, however far back, those that decide whether they are asked; in print order."""
    asked: set[str] = set()
    open_ids = list(link_ids)
    while open_ids:
        link_id = open_ids.pop()
        if link_id not in asked and link_id in items:
            asked.add(link_id)
            item = items[link_id]
            conditions = (*item.enable_when, *(condition for gate in item.gates for condition in gate.conditions))
            open_ids += [condition.link_id for condition in conditions]
    return tuple(link_id for link_id in items if link_id in asked)


def _settled(asked: Sequence[str], items: Mapping[str, Item]) -> str:
    """Say that everything asked is answered, disabled, or need not apply to everybody."""
    counted = [link_id for link_id in asked if items[link_id].applies_to is None]
    terms = [f"{_answers(counted)}.count()"]
    terms += [f"iif({condition}, 0, {len(members)})" for condition, members in _gated(counted, items).items()]
    return f"{' + '.join(terms)} = {len(counted)}"


def _gated(link_ids: Iterable[str], items: Mapping[str, Item]) -> dict[str, list[str]]:
    """Give condition → the items that it enables, in order of appearance."""
    groups: dict[str, list[str]] = {}
    for link_id in link_ids:
        condition = _enabled(items[link_id])
        if condition:
            groups.setdefault(condition, []).append(link_id)
    return groups


def _enabled(item: Item) -> str:
    """Say that the item is enabled; "" where it always is."""
    if item.parents or item.gates:
        raise Underivable("an item in a group")
    if not item.enable_any:
        return " and ".join(_condition(condition) for condition in item.enable_when)
    return " or ".join(_folded(item.enable_when))


def _folded(conditions: Sequence[EnableWhen]) -> Iterator[str]:
    """Say alternatives, those that equal one of several codes of one question together."""
    equal: dict[str, list[str]] = {}
    for condition in conditions:
        if condition.operator is Operator.EQUAL:
            equal.setdefault(condition.link_id, []).append(_code(condition))
    for condition in conditions:
        if condition.operator is not Operator.EQUAL:
            yield _condition(condition)
        elif condition.link_id in equal:
            yield f"{_coded((condition.link_id,), equal.pop(condition.link_id))}.exists()"


def _condition(condition: EnableWhen) -> str:
    answers = _answers((condition.link_id,))
    match condition.operator:
        case Operator.EXISTS:
            return f"{answers}.exists()" + ("" if condition.answer is True else ".not()")
        case Operator.EQUAL:
            return f"{answers}.value.where(code = '{_code(condition)}').exists()"
        case Operator.NOT_EQUAL:
            return f"{answers}.value.where(code != '{_code(condition)}').exists()"
    raise Underivable("a condition that compares")


def _code(condition: EnableWhen) -> str:
    if not isinstance(condition.answer, Coding):
        raise Underivable("a condition on an answer that is no code")
    return condition.answer.code


def _levels(levels: Sequence[Level], items: Mapping[str, Item]) -> str:
    """Say the highest level that holds; a lower one only once nothing open could raise it."""
    asked = find_asked((one for level in levels for item in level.conditions for one in item.link_ids), items)
    text = f"iif({_settled(asked, items)}, {levels[0].rank}, {{}})"
    for level in levels[1:]:
        above = find_asked(
            (one for upper in levels[level.rank + 1 :] for item in upper.conditions for one in item.link_ids), items
        )
        holds = " or ".join(
            " and ".join(_holds(condition, items) for condition in alternative) for alternative in level.alternatives
        )
        text = f"iif({f'({holds}) and {_settled(above, items)}' if above else holds}, {level.rank}, {text})"
    return text


def _holds(condition: LevelCondition, items: Mapping[str, Item]) -> str:
    found = _coded(condition.link_ids, condition.codes)
    if condition.count > 1:
        return f"{found}.count() >= {condition.count}"
    if not condition.or_unanswered:
        return f"{found}.exists()"
    return f"({found}.exists() or {' or '.join(_blank(condition.link_ids, items))})"


def _blank(link_ids: Sequence[str], items: Mapping[str, Item]) -> Iterator[str]:
    always = [link_id for link_id in link_ids if not _enabled(items[link_id])]
    if always:
        yield f"{_answers(always)}.count() < {len(always)}"
    for link_id in link_ids:
        enabled = _enabled(items[link_id])
        if enabled:
            yield f"({enabled}) and {_answers((link_id,))}.exists().not()"


def _answers(link_ids: Sequence[str]) -> str:
    return _ANSWERS.format(f"linkId {_among(link_ids)}")


def _coded(link_ids: Sequence[str], codes: Sequence[str]) -> str:
    return f"{_answers(link_ids)}.value.where(code {_among(codes)})"


def _among(words: Sequence[str]) -> str:
    quoted = [f"'{word}'" for word in words]
    return f"= {quoted[0]}" if len(quoted) == 1 else f"in ({' | '.join(quoted)})"
