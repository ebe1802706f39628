"""When an item is asked, as the fact files state it: in words read here once, or by another item's answer.

Nothing here imports the product. Facts: `enable_when` of the items in tests/data/facts/<instrument>.json.
"""

from collections.abc import Callable, Mapping
from typing import Any

DECLINED = "declined"
# linkId → the chosen option's value, or declined; an item that was not reached is absent.
Given = Mapping[str, int | str]
Asked = Callable[[Given], bool]


# Skips that the fact file calls optional and that the instrument nevertheless takes, for its total counts them.
_TAKES_OPTIONAL_SKIPS = frozenset({"audit", "audit-c"})
# Conditions that the instrument does not take: MDQ asks part 2 of everybody, as its paper form does.
_ALWAYS_ASKED = frozenset({"more than one Yes in part 1", "women only"})


def _number(given: Given, link_id: str) -> int:
    """The value of an answered item, 0 for any other."""
    value = given.get(link_id, 0)
    return value if isinstance(value, int) else 0


# What `enable_when` states in words only: the words → (which items, the condition).
_RULES: dict[str, tuple[Callable[[dict[str, Any]], tuple[str, ...]], Callable[[Given, tuple[str, ...]], bool]]] = {
    "show when any symptom item is greater than 0 (some implementations always show it)": (
        lambda facts: tuple(item["linkId"] for item in facts["items"] if item["scored"]),
        lambda given, gates: any(_number(given, gate) > 0 for gate in gates),
    ),
    "shown unless items 1-4 are all answered No": (
        lambda facts: tuple(item["linkId"] for item in facts["items"][:4]),
        lambda given, gates: not all(given.get(gate) == 0 for gate in gates),
    ),
    "WHO interview skip: go from item 1 = Never to items 9-10; and skip items 4-8 when items 2 + 3 sum to 0": (
        lambda facts: ("audit-2", "audit-3"),
        lambda given, gates: any(_number(given, gate) > 0 for gate in gates),
    ),
}


def find_condition(fact: dict[str, Any], facts: dict[str, Any]) -> tuple[Asked | None, tuple[str, ...]]:
    """Give an item's condition and the items that it looks at; None where it is always asked.

    Skips that are not confirmed, or allowed only to an interviewer, are no condition.
    """
    conditions = [c for c in fact["enable_when"] if c.get("confirmed", True) and not _left_open(c, facts)]
    if not conditions:
        return None, ()
    (condition,) = conditions
    if "rule" in condition:
        find_gates, holds = _RULES[condition["rule"]]
        gates = find_gates(facts)
        return (lambda given: holds(given, gates)), gates
    gate = condition["question"]
    (target,) = [item for item in facts["items"] if item["linkId"] == gate]
    (value,) = [
        option["value"]
        for option in facts["option_sets"][target["options_ref"]]["options"]
        if condition["answer"].split()[-1] == option["text"]
    ]
    if condition["operator"] == "=":
        return (lambda given: given.get(gate) == value), (gate,)
    # While the first question is open nothing is asked: R4 leaves unequal to nothing open, and engines differ.
    return (lambda given: isinstance(given.get(gate), int) and given[gate] != value), (gate,)


def _left_open(condition: dict[str, Any], facts: dict[str, Any]) -> bool:
    if condition.get("rule") in _ALWAYS_ASKED:
        # Women only: by anatomy or choice, not by administrative gender alone, so that nobody is kept from the item.
        return True
    return bool(condition.get("optional")) and facts["id"] not in _TAKES_OPTIONAL_SKIPS
