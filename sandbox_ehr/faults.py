"""Faults that a test orders of the simulated EHR: what each is called, may be told, and when it strikes.

Names as FHIR R4 http and RFC 9110 call what happens; what they do stands in fault_gate.py, how they are ordered in
control.py.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Literal, get_args

from sandbox_ehr.errors import SandboxError
from sandbox_ehr.fhir_request import Clock

Standing = Literal["latency", "lagging-search", "clock-skew"]
"""Colors every request that it matches, beside whatever else happens to it."""
Event = Literal["key-rotation", "patient-merged", "encounter-closed"]
"""Happens in the EHR before the request is looked at; at once where nothing is to be matched."""
Answer = Literal[
    "reset-before-commit",
    "reset-after-commit",
    "time-out-after-commit",
    "late-commit",
    "replayed-request",
    "no-location",
    "accepted-202",
    "unauthorized-401",
    "forbidden-403",
    "break-the-glass",
    "conflict-409",
    "precondition-412",
    "unprocessable-422",
    "too-many-requests-429",
    "server-error-500",
    "bad-gateway-html-502",
    "truncated-json",
    "wrong-content-type",
]
"""Decides what the client gets; a request meets one of them."""
FAULTS: tuple[str, ...] = (*get_args(Standing), *get_args(Event), *get_args(Answer))
REFUSALS: Mapping[str, int] = {
    "accepted-202": 202,
    "unauthorized-401": 401,
    "forbidden-403": 403,
    "break-the-glass": 403,
    "conflict-409": 409,
    "precondition-412": 412,
    "unprocessable-422": 422,
    "too-many-requests-429": 429,
    "server-error-500": 500,
    "bad-gateway-html-502": 502,
}
"""Answers without the FHIR API, by status; with `commit` the request is carried out all the same."""

_EVERY: Mapping[str, type] = {"fault": str, "match": dict, "times": int, "after": int, "share": float, "seed": int}
_OWN: Mapping[str, Mapping[str, type]] = {
    **{name: {"commit": bool} for name in REFUSALS},
    "latency": {"seconds": float},
    "lagging-search": {"seconds": float},
    "clock-skew": {"seconds": float},
    "time-out-after-commit": {"seconds": float},
    "late-commit": {"seconds": float},
    "replayed-request": {"seconds": float},
    "too-many-requests-429": {"retry_after": int, "commit": bool},
    "patient-merged": {"patient": str, "into": str},
    "encounter-closed": {"encounter": str},
    "key-rotation": {"forget": bool},
}
_NEEDED: Mapping[str, frozenset[str]] = {
    "latency": frozenset({"seconds"}),
    "lagging-search": frozenset({"seconds"}),
    "clock-skew": frozenset({"seconds"}),
    "late-commit": frozenset({"seconds"}),
    "patient-merged": frozenset({"patient", "into"}),
    "encounter-closed": frozenset({"encounter"}),
}
_LONGEST = 86400.0
_LONGEST_SILENCE = 60.0
"""Seconds that a time-out lasts where the order names none; it ends when the client hangs up."""


class InvalidFault(SandboxError):
    """An order of a fault that names an unknown one, an unknown key or an impossible value."""

    code = "invalid-fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One ordered fault.

    method, path: regular expressions, the first for the whole method, the second found anywhere in the path; None
    matches every method, and every FHIR request. times: how often it strikes, None until cleared. after: how many
    matching requests go by first. share: of the matching requests, 0 to 1, drawn from seed. The rest is of single
    faults: README.
    """

    fault: str
    method: re.Pattern[str] | None = None
    path: re.Pattern[str] | None = None
    times: int | None = 1
    after: int = 0
    share: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    retry_after: int | None = None
    commit: bool = False
    forget: bool = False
    patient: str = ""
    into: str = ""
    encounter: str = ""

    @property
    def is_standing(self) -> bool:
        """Whether it goes together with other faults."""
        return self.fault in get_args(Standing)

    @property
    def is_event(self) -> bool:
        """Whether it is something that happens in the EHR."""
        return self.fault in get_args(Event)

    @property
    def is_immediate(self) -> bool:
        """Whether it is an event that waits for no request."""
        return self.is_event and self.method is None and self.path is None

    def matches(self, method: str, path: str, *, is_fhir: bool) -> bool:
        """Tell whether a request is one that it may strike."""
        if self.method is not None and not self.method.fullmatch(method):
            return False
        return is_fhir if self.path is None else self.path.search(path) is not None


def parse_fault(order: Mapping[str, Any]) -> Fault:
    """Parse the JSON of an order. Raises: InvalidFault, naming the key."""
    name = order.get("fault")
    if name not in FAULTS:
        raise InvalidFault(f"fault is none of {', '.join(FAULTS)}")
    # The clock is one for all requests: it is wrong from the order until it is cleared.
    allowed = {**({"fault": str} if name == "clock-skew" else _EVERY), **_OWN.get(str(name), {})}
    for key, value in order.items():
        if key not in allowed:
            raise InvalidFault(f"{name} has no key {key[:40]}")
        if value is not None and not _is_of(value, allowed[key]):
            raise InvalidFault(f"{key} is not of type {allowed[key].__name__}")
    given = {key: value for key, value in order.items() if value is not None and key != "match"}
    if missing := _NEEDED.get(str(name), frozenset()) - given.keys():
        raise InvalidFault(f"{name} needs {min(missing)}")
    _check_numbers(given)
    standing = name in get_args(Standing)
    given["times"] = order.get("times", None if standing else 1)
    given |= _parse_match(order.get("match") or {})
    if name == "time-out-after-commit":
        given.setdefault("seconds", _LONGEST_SILENCE)
    return Fault(**given)


def _is_of(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _check_numbers(given: Mapping[str, Any]) -> None:
    # Python's JSON reads NaN, which is neither below a bound nor beyond it, and no clock can be set by it.
    if not all(isfinite(value) for value in given.values() if isinstance(value, float)):
        raise InvalidFault("seconds or share is not a finite number")
    lowest = {"times": 1, "after": 0, "share": 0, "retry_after": 0, "seconds": 0}
    if given["fault"] == "clock-skew":
        del lowest["seconds"]
    for key, bound in lowest.items():
        if given.get(key, bound) < bound:
            raise InvalidFault(f"{key} is below {bound}")
    if abs(given.get("seconds", 0)) > _LONGEST or given.get("share", 0) > 1:
        raise InvalidFault(f"seconds is beyond {_LONGEST}, or share beyond 1")


def _parse_match(match: Mapping[str, Any]) -> dict[str, re.Pattern[str]]:
    parsed = {}
    for key, pattern in match.items():
        if key not in {"method", "path"} or not isinstance(pattern, str):
            raise InvalidFault("match takes method and path, each a regular expression")
        try:
            parsed[key] = re.compile(pattern)
        except re.error as exc:
            raise InvalidFault(f"match.{key} is not a regular expression") from exc
    return parsed


@dataclass(kw_only=True)
class _Ordered:
    """A fault with what is left of it."""

    number: int
    fault: Fault
    passed: int = 0
    struck: int = 0
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.fault.seed)  # noqa: S311  # a test's dice, no secret

    @property
    def is_spent(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times

    def strikes(self) -> bool:
        """Count a matching request and tell whether it is struck."""
        self.passed += 1
        if self.is_spent or self.passed <= self.fault.after:
            return False
        if self.fault.share < 1 and self.draw.random() >= self.fault.share:
            return False
        self.struck += 1
        return True


class FaultPlan:
    """The faults ordered and not yet spent; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: list[_Ordered] = []
        self._numbers = 0

    def add(self, fault: Fault) -> int:
        """Take an order; give its number."""
        with self._lock:
            self._numbers += 1
            self._ordered.append(_Ordered(number=self._numbers, fault=fault))
            return self._numbers

    def clear(self) -> None:
        """Forget every order. What is under way goes on."""
        with self._lock:
            self._ordered.clear()

    def take(self, method: str, path: str, *, is_fhir: bool) -> list[Fault]:
        """Give what strikes this request: standing faults and events, then at most one answer, as they were ordered."""
        taken: list[Fault] = []
        answered = False
        with self._lock:
            for ordered in self._ordered:
                fault = ordered.fault
                decides = not (fault.is_standing or fault.is_event)
                if fault.fault == "clock-skew" or (decides and answered):
                    continue
                if fault.matches(method, path, is_fhir=is_fhir) and ordered.strikes():
                    taken.append(fault)
                    answered = answered or decides
        return taken

    @property
    def skew(self) -> timedelta:
        """How far the EHR's clock is ahead."""
        with self._lock:
            found: Iterable[float] = [o.fault.seconds for o in self._ordered if o.fault.fault == "clock-skew"]
        return timedelta(seconds=sum(found))

    def describe(self) -> list[dict[str, Any]]:
        """Give what is ordered: number, fault, how many matching requests were seen and struck."""
        with self._lock:
            return [
                {"id": o.number, "fault": o.fault.fault, "seen": o.passed, "struck": o.struck, "spent": o.is_spent}
                for o in self._ordered
            ]


class SkewedClock:
    """The EHR's clock under `clock-skew`."""

    def __init__(self, clock: Clock, plan: FaultPlan) -> None:
        self._clock = clock
        self._plan = plan

    def __call__(self) -> datetime:
        """Give the present time as this EHR has it."""
        return self._clock() + self._plan.skew
