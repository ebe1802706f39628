"""The invariants of R4 that a screening app can break, by their key in the specification.

Each rule looks at one object of one type and is true when it is broken. Runs after the structure was found sound.
Source: the constraint lists of http://hl7.org/fhir/R4/datatypes.html and of the resource pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox_ehr.outcome import Issue
from sandbox_ehr.search_index import parse_date_range

Rule = Callable[[Mapping[str, Any]], bool]


def find_broken_invariants(resource: Mapping[str, Any]) -> list[Issue]:
    """Give one issue for each invariant broken anywhere in a structurally sound resource."""
    resource_type = resource["resourceType"]
    issues = [
        _issue(key, resource_type) for key, rule in _RESOURCE_RULES.get(resource_type, {}).items() if rule(resource)
    ]
    for path, name, value in _objects(resource, resource_type):
        issues += [
            _issue(key, path) for key, applies, rule in _PART_RULES if applies(path, name, value) and rule(value)
        ]
    return issues


def _issue(key: str, path: str) -> Issue:
    return Issue(code="invariant", text=f"Invariant {key} is broken: {_MEANINGS[key]}", expression=(path,))


def _objects(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for name, child in value.items():
        for position, item in enumerate(child if isinstance(child, list) else (child,)):
            if isinstance(item, dict):
                here = f"{path}.{name}[{position}]" if isinstance(child, list) else f"{path}.{name}"
                yield here, name, item
                yield from _objects(item, here)


def _has_value(part: Mapping[str, Any]) -> bool:
    return any(name.lstrip("_").startswith("value") for name in part)


def _ends_before_start(period: Mapping[str, Any]) -> bool:
    return parse_date_range(period["start"])[0] >= parse_date_range(period["end"])[1]


def _codings(concept: Mapping[str, Any]) -> set[tuple[Any, Any]]:
    return {(coding.get("system"), coding.get("code")) for coding in concept.get("coding", ())}


def _repeats_component_code(observation: Mapping[str, Any]) -> bool:
    own = _codings(observation["code"])
    return _has_value(observation) and any(own & _codings(part["code"]) for part in observation.get("component", ()))


def _link_ids(items: Any) -> Iterator[str]:
    for item in items:
        yield item["linkId"]
        yield from _link_ids(item.get("item", ()))


def _repeats_link_id(questionnaire: Mapping[str, Any]) -> bool:
    found = list(_link_ids(questionnaire.get("item", ())))
    return len(found) != len(set(found))


def _status_codes(condition: Mapping[str, Any], name: str) -> set[Any]:
    return {code for _, code in _codings(condition.get(name, {}))}


def _abated_but_active(condition: Mapping[str, Any]) -> bool:
    abated = any(name.startswith("abatement") for name in condition)
    return abated and not _status_codes(condition, "clinicalStatus") & {"inactive", "resolved", "remission"}


_MEANINGS = {
    "att-1": "an attachment with data has a contentType",
    "con-4": "a condition that is abated is inactive, resolved or in remission",
    "con-5": "a condition entered in error has no clinicalStatus",
    "cpt-2": "a contact point with a value has a system",
    "ext-1": "an extension has either extensions or a value",
    "obs-6": "an observation or component has a dataAbsentReason only without a value",
    "obs-7": "an observation with a component of its own code has no value",
    "per-1": "a period starts before it ends",
    "qrs-1": "an item has nested items or answers, not both",
    "que-2": "the linkIds of a questionnaire are unique",
    "qty-3": "a quantity with a code has a system",
}
_RESOURCE_RULES: dict[str, dict[str, Rule]] = {
    "Condition": {
        "con-4": _abated_but_active,
        "con-5": lambda r: "entered-in-error" in _status_codes(r, "verificationStatus") and "clinicalStatus" in r,
    },
    "Observation": {
        "obs-6": lambda r: "dataAbsentReason" in r and _has_value(r),
        "obs-7": _repeats_component_code,
    },
    "Questionnaire": {"que-2": _repeats_link_id},
}
_PART_RULES: tuple[tuple[str, Callable[[str, str, Mapping[str, Any]], bool], Rule], ...] = (
    (
        "att-1",
        lambda _, name, __: name in {"attachment", "valueAttachment"},
        lambda v: "data" in v and "contentType" not in v,
    ),
    ("cpt-2", lambda _, name, __: name == "telecom", lambda v: "value" in v and "system" not in v),
    (
        "ext-1",
        lambda _, name, __: name in {"extension", "modifierExtension"},
        lambda v: _has_value(v) == ("extension" in v),
    ),
    (
        "obs-6",
        lambda path, name, _: name == "component" and path.startswith("Observation"),
        lambda v: "dataAbsentReason" in v and _has_value(v),
    ),
    (
        "per-1",
        lambda _, name, v: (name.endswith(("eriod", "Period"))) and {"start", "end"} <= set(v),
        _ends_before_start,
    ),
    (
        "qrs-1",
        lambda path, name, _: name == "item" and path.startswith("QuestionnaireResponse"),
        lambda v: "answer" in v and "item" in v,
    ),
    (
        "qty-3",
        lambda _, name, __: name in {"valueQuantity", "low", "high"},
        lambda v: "code" in v and "system" not in v,
    ),
)
