"""From search parameters to SQL over the index, http://hl7.org/fhir/R4/search.html.

Prefixes, comma (or), repetition (and), `:missing`, `:not`, `:exact`, `:contains`, `:below`, `:identifier`, `:Type`,
`_sort`, `_include`,
`_revinclude`, `_summary=count`. No chaining, no `_has`: they are refused like any unknown parameter, never ignored in
silence.
"""

# ruff: noqa: S608 - SQL is put together from our own fragments only; what a client sent travels as an argument

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sandbox_ehr.errors import InvalidParameter, UnknownParameter
from sandbox_ehr.search_index import fold, parse_date_range, parse_reference
from sandbox_ehr.search_parameters import SEARCH_PARAMETERS, SearchParameter

Pairs = Sequence[tuple[str, str]]
RESULT_PARAMETERS = frozenset(
    {"_count", "_sort", "_include", "_revinclude", "_summary", "_total", "_format", "_pretty"}
)

_ROWS = "SELECT s.version_key FROM search_index s WHERE s.resource_type = ?"
_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.+)", re.DOTALL)
_MODIFIERS = {
    "token": {"missing", "not"},
    "string": {"missing", "exact", "contains"},
    "uri": {"missing", "below"},
    "date": {"missing"},
    "quantity": {"missing"},
    "number": {"missing"},
}


class Sql(NamedTuple):
    """A condition with its arguments."""

    text: str
    args: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    """`_include` or `_revinclude`: source type, its reference parameter, and the only target type wanted, if any."""

    source: str
    param: str
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """A parsed search.

    criteria: all must hold. sort: (parameter, descending). ignored: parameters left out in lenient handling.
    """

    resource_type: str
    criteria: tuple[Sql, ...] = ()
    sort: tuple[tuple[SearchParameter, bool], ...] = ()
    count: int | None = None
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    count_only: bool = False
    ignored: tuple[str, ...] = ()

    def order_by(self) -> Sql:
        """Give the ORDER BY terms; the row key comes last, so that the order is total."""
        terms, args = [], []
        for parameter, descending in self.sort:
            column = "low" if parameter.type in {"date", "quantity", "number"} else "value"
            direction = "DESC" if descending else "ASC"
            lowest = f"SELECT MIN({column}) FROM search_index s WHERE s.version_key = v.key AND s.param = ?"
            terms.append(f"({lowest}) {direction} NULLS LAST")
            args.append(parameter.code)
        return Sql(", ".join([*terms, "v.key"]), tuple(args))


def parse_search(resource_type: str, pairs: Pairs, *, now: datetime, lenient: bool = False) -> SearchQuery:
    """Parse decoded query pairs.

    lenient: unknown parameters and modifiers are ignored and listed (`Prefer: handling=lenient`).
    Raises: InvalidParameter, naming the parameter.
    """
    criteria: list[Sql] = []
    ignored: list[str] = []
    for name, value in pairs:
        if name in RESULT_PARAMETERS:
            continue
        try:
            criteria.append(parse_criterion(resource_type, name, value, now=now))
        except UnknownParameter:
            if not lenient:
                raise
            ignored.append(name)
    last = dict(pairs)
    _parse_choice(last, "_total", {"none", "estimate", "accurate"})  # a total is always given, and exact
    return SearchQuery(
        resource_type=resource_type,
        criteria=tuple(criteria),
        sort=tuple(_parse_sort(resource_type, last.get("_sort", ""))),
        count=_parse_count(last.get("_count")),
        includes=tuple(_parse_include(value, resource_type, True) for name, value in pairs if name == "_include"),
        revincludes=tuple(
            _parse_include(value, resource_type, False) for name, value in pairs if name == "_revinclude"
        ),
        count_only=_parse_choice(last, "_summary", {"count", "false"}) == "count" or last.get("_count") == "0",
        ignored=tuple(ignored),
    )


def parse_criterion(resource_type: str, name: str, value: str, *, now: datetime) -> Sql:
    """Give the condition on `v.key` of one search parameter; commas in `value` separate alternatives.

    Raises: UnknownParameter, InvalidParameter.
    """
    code, _, modifier = name.partition(":")
    parameter = SEARCH_PARAMETERS[resource_type].get(code)
    if parameter is None:
        raise UnknownParameter(f"{resource_type} has no search parameter {code[:60]}")
    is_target = parameter.type == "reference" and modifier in {"", "identifier", "missing", *SEARCH_PARAMETERS}
    if modifier and modifier not in _MODIFIERS.get(parameter.type, ()) and not is_target:
        raise UnknownParameter(f"Search parameter {code} has no modifier {modifier[:60]}")
    if not value:
        raise InvalidParameter(f"Search parameter {code} has no value")
    if modifier == "missing":
        return _parse_missing(resource_type, parameter, value)
    try:
        alternatives = [_CONDITIONS[parameter.type](parameter, modifier, part, now) for part in _split(value, ",")]
    except (ValueError, ArithmeticError) as exc:
        raise InvalidParameter(f"Search parameter {code} has a value that is no {parameter.type}") from exc
    stored = f"{code}:identifier" if modifier == "identifier" else code
    condition = " OR ".join(f"({alternative.text})" for alternative in alternatives)
    args = tuple(arg for alternative in alternatives for arg in alternative.args)
    return Sql(
        f"v.key {'NOT IN' if modifier == 'not' else 'IN'} ({_ROWS} AND s.param = ? AND ({condition}))",
        (resource_type, stored, *args),
    )


def _parse_missing(resource_type: str, parameter: SearchParameter, value: str) -> Sql:
    if value not in {"true", "false"}:
        raise InvalidParameter(f"Search parameter {parameter.code}:missing takes true or false")
    membership = "NOT IN" if value == "true" else "IN"
    codes = (parameter.code, f"{parameter.code}:identifier")  # a logical reference is there, too
    return Sql(f"v.key {membership} ({_ROWS} AND s.param IN (?, ?))", (resource_type, *codes))


def _split(text: str, separator: str) -> list[str]:
    r"""Split at every separator that has no `\` before it; the escapes stay."""
    parts = [""]
    for sign in re.findall(r"\\.|.", text, re.DOTALL):
        if sign == separator:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _token(parameter: SearchParameter, modifier: str, text: str, now: datetime) -> Sql:
    del parameter, modifier, now
    system, *rest = map(_unescape, _split(text, "|"))
    if not rest:
        return Sql("s.value = ?", (system,))
    if len(rest) > 1:
        raise ValueError("too many |")
    code = rest[0]
    if not system:
        return Sql("s.value = ? AND s.system = ''", (code,))
    if not code:
        return Sql("s.system = ?", (system,))
    return Sql("s.value = ? AND (s.system = ? OR s.system IS NULL)", (code, system))


def _string(parameter: SearchParameter, modifier: str, text: str, now: datetime) -> Sql:
    del parameter, now
    text = _unescape(text)
    if modifier == "exact":
        return Sql("s.system = ? AND s.value = ?", (text, fold(text)))
    pattern = re.sub(r"([%_\\])", r"\\\1", fold(text)) + "%"
    return Sql(r"s.value LIKE ? ESCAPE '\'", (f"%{pattern}" if modifier == "contains" else pattern,))


def _reference(parameter: SearchParameter, modifier: str, text: str, now: datetime) -> Sql:
    if modifier == "identifier":
        return _token(parameter, "", text, now)
    text = _unescape(text)
    if modifier:
        return Sql("s.value = ? AND s.system = ?", (text.removeprefix(f"{modifier}/"), modifier))
    if local := parse_reference(text):
        return Sql("s.value = ? AND s.system = ?", (local[1], local[0]))
    if ":" in text or "/" in text:
        return Sql("s.value = ? AND s.system = ''", (text,))
    return Sql("s.value = ? AND s.system <> ''", (text,))


def _uri(parameter: SearchParameter, modifier: str, text: str, now: datetime) -> Sql:
    del parameter, now
    text = _unescape(text)
    if modifier == "below":
        return Sql("(s.value = ? OR substr(s.value, 1, ?) = ?)", (text, len(text) + 1, f"{text}/"))
    return Sql("s.value = ?", (text,))


def _date(parameter: SearchParameter, modifier: str, text: str, now: datetime) -> Sql:
    del parameter, modifier
    prefix, value = _parse_prefix(text)
    low, high = parse_date_range(value)
    if prefix == "ap":
        distance = abs((now - datetime(1970, 1, 1, tzinfo=now.tzinfo)) // timedelta(microseconds=1) - low) // 10
        return Sql("s.low < ? AND s.high > ?", (high + distance, low - distance))
    return _range(prefix, low, high)


def _range(prefix: str, low: float, high: float) -> Sql:
    """Compare [s.low, s.high) with [low, high), http://hl7.org/fhir/R4/search.html#prefix."""
    conditions = {
        "eq": Sql("s.low >= ? AND s.high <= ?", (low, high)),
        "ne": Sql("NOT (s.low >= ? AND s.high <= ?)", (low, high)),
        "gt": Sql("s.high > ?", (high,)),
        "lt": Sql("s.low < ?", (low,)),
        "ge": Sql("s.high > ? OR (s.low >= ? AND s.high <= ?)", (high, low, high)),
        "le": Sql("s.low < ? OR (s.low >= ? AND s.high <= ?)", (low, low, high)),
        "sa": Sql("s.low >= ?", (high,)),
        "eb": Sql("s.high <= ?", (low,)),
    }
    return conditions[prefix]


def _number(parameter: SearchParameter, modifier: str, text: str, now: datetime) -> Sql:
    del parameter, modifier, now
    prefix, value = _parse_prefix(text)
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("not finite")
    exponent = int(number.as_tuple().exponent)
    half = Decimal(5).scaleb(exponent - 1)
    exact = float(number)
    match prefix:
        case "gt" | "sa":
            return Sql("s.low > ?", (exact,))
        case "lt" | "eb":
            return Sql("s.low < ?", (exact,))
        case "ge":
            return Sql("s.low >= ?", (exact,))
        case "le":
            return Sql("s.low <= ?", (exact,))
        case "ap":
            margin = abs(exact) / 10
            return Sql("s.low BETWEEN ? AND ?", (exact - margin, exact + margin))
        case _:
            inside = Sql("s.low >= ? AND s.low < ?", (float(number - half), float(number + half)))
            return Sql(f"NOT ({inside.text})", inside.args) if prefix == "ne" else inside


def _quantity(parameter: SearchParameter, modifier: str, text: str, now: datetime) -> Sql:
    number, *unit = map(_unescape, _split(text, "|"))
    condition = _number(parameter, modifier, number, now)
    if not unit:
        return condition
    if len(unit) != 2:
        raise ValueError("not number|system|code")
    system, code = unit
    wanted = Sql("s.value = ? AND s.system = ?", (code, system)) if system else Sql("s.value = ?", (code,))
    return Sql(f"({condition.text}) AND {wanted.text}", (*condition.args, *wanted.args))


_CONDITIONS: dict[str, Callable[[SearchParameter, str, str, datetime], Sql]] = {
    "token": _token,
    "string": _string,
    "reference": _reference,
    "uri": _uri,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
}


def _parse_prefix(text: str) -> tuple[str, str]:
    found = _PREFIXED.fullmatch(text)
    if found is None:
        raise ValueError("empty")
    return found[1] or "eq", found[2]


def _parse_sort(resource_type: str, text: str) -> Iterable[tuple[SearchParameter, bool]]:
    for term in filter(None, text.split(",")):
        code = term.removeprefix("-")
        parameter = SEARCH_PARAMETERS[resource_type].get(code)
        if parameter is None:
            raise InvalidParameter(f"_sort names no search parameter of {resource_type}")
        yield parameter, term.startswith("-")


def _parse_count(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise InvalidParameter("_count is not a whole number")
    return int(text)


def _parse_choice(pairs: dict[str, str], name: str, choices: set[str]) -> str | None:
    if name in pairs and pairs[name] not in choices:
        raise InvalidParameter(f"{name} takes only {', '.join(sorted(choices))} here")
    return pairs.get(name)


def _parse_include(text: str, resource_type: str, forward: bool) -> Include:
    name = "_include" if forward else "_revinclude"
    source, param, target, *more = [*text.split(":"), "", ""]
    parameter = SEARCH_PARAMETERS.get(source, {}).get(param)
    if parameter is None or parameter.type != "reference" or any(more) or (forward and source != resource_type):
        raise InvalidParameter(f"{name} is not TYPE:parameter of a reference parameter")
    if target and target not in SEARCH_PARAMETERS:
        raise InvalidParameter(f"{name} names an unknown target type")
    return Include(source=source, param=param, target=target or None)
