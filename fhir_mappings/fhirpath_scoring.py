"""Scores by any FHIRPath expression, through fhirpathpy: for Questionnaires whose sums are not added up natively.

Sources: SDC 4.0 calculatedExpression, variable and weight() (http://hl7.org/fhir/uv/sdc/expressions.html); FHIRPath 2.0
(http://hl7.org/fhirpath/N1/). fhirpathpy 2.2 lacks weight() and its older name ordinal(), can't sum, average or convert
what comes out of a resource, and says 0 for the sum of nothing: those are given to it here.

An expression seldom says what it does with a blank. So the scores that it names must be known, and the items that it
names all be answered, save those that are surely not asked: else the score is not known, whatever the engine would make
of the rest.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from fhir_mappings.answers import Answers, AnswerStatus, find_status, keep_enabled
from fhir_mappings.applicability import Applicabilities, Applicability
from fhir_mappings.element import Element
from fhir_mappings.errors import Issue, MalformedInstrument, Mapped, Severity
from fhir_mappings.instrument import Instrument, Points
from fhir_mappings.questionnaire import walk_items
from fhir_mappings.questionnaire_response import build_items
from fhir_mappings.r4 import Json, as_number
from fhir_mappings.systems import ITEM_WEIGHT, ORDINAL_VALUE, VARIABLE

LONGEST_EXPRESSION: Final = 8_000
_CLOCK: Final = re.compile(r"\b(now|today|timeOfDay)\s*\(")
"""An expression that reads the clock gives another score tomorrow: it is refused."""
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'")
_NAMED_VARIABLE: Final = re.compile(r"%(?:`([^`]+)`|'([^']+)'|([A-Za-z_][A-Za-z0-9_]*))")


def evaluate_expression(
    expression: str, response: Json, variables: Mapping[str, Any] | None = None, *, at: str = "expression"
) -> Mapped[Points | None]:
    """Evaluate one expression on a QuestionnaireResponse whose codings carry their weights.

    `variables`: name without % → value, beside %resource and %context; `at` is named by an Issue. None is not known:
    an empty result, or one that is no single number, or an error (the last two with an Issue).
    """
    found = _evaluate(expression, response, variables or {})
    if found is None:
        return Mapped(value=None, issues=(_issue("expression-error", at, "The expression can't be evaluated."),))
    if not found:
        return Mapped(value=None)
    number = found[0]
    if len(found) > 1 or isinstance(number, bool) or not isinstance(number, int | Decimal):
        return Mapped(
            value=None, issues=(_issue("expression-not-number", at, "The expression gives no single number."),)
        )
    return Mapped(value=as_number(number))


def evaluate_scores(
    instrument: Instrument,
    answers: Answers,
    expressions: Mapping[str, str],
    known: Mapping[str, Points] | None = None,
) -> Mapped[dict[str, Points | None]]:
    """Evaluate the expressions of score items (linkId → FHIRPath); give linkId → points, None where not known.

    `known` holds scores that were added up natively and may be named. A score that builds on another is worked out
    after it; scores in a circle are not known. One Issue each for a score that an open item or an error leaves open.
    """
    run = _Run(instrument, keep_enabled(instrument.items, answers), dict(known or {}))
    waiting = dict(expressions)
    while waiting:
        ready = [name for name, text in waiting.items() if not run.plan.names(text) & (waiting.keys() - {name})]
        for link_id in ready:
            run.score(link_id, waiting.pop(link_id))
        if not ready:
            run.leave_open(waiting, "expression-cycle", "The score is worked out from itself: it is not known.")
            break
    return Mapped(value=run.values, issues=tuple(run.issues))


class _Run:
    """Scores one response: the scores known so far, and what each expression gave."""

    def __init__(self, instrument: Instrument, answers: Answers, known: dict[str, Points]) -> None:
        self.instrument = instrument
        self.answers = answers
        self.applicabilities = Applicabilities(instrument, answers)
        self.known = known
        self.scores = frozenset(definition.link_id for definition in instrument.scores)
        self.plan = _plan(instrument)
        self.values: dict[str, Points | None] = {}
        self.issues: list[Issue] = []

    def score(self, link_id: str, expression: str) -> None:
        """Work out one score, once those that it names are."""
        named = self.plan.names(expression) - {link_id}
        if named & self.scores - self.known.keys() or self._has_open_item(named):
            text = "Items that the score is made of are not answered: it is not known."
            self.leave_open((link_id,), "score-incomplete", text, Severity.INFORMATION)
            return
        items = build_items(self.instrument.questionnaire["item"], self.instrument, self.answers, self.known)
        response = {"resourceType": "QuestionnaireResponse", "questionnaire": self.instrument.canonical, "item": items}
        variables: dict[str, Any] = {"questionnaire": self.instrument.questionnaire}
        for name, definition in self.plan.variables:
            variables[name] = _evaluate(definition, response, variables) or []
        mapped = evaluate_expression(expression, response, variables, at=_at(link_id))
        self.issues += mapped.issues
        self.values[link_id] = mapped.value
        if mapped.value is not None:
            self.known[link_id] = mapped.value

    def leave_open(self, scores: Iterable[str], code: str, text: str, severity: Severity = Severity.ERROR) -> None:
        """Say of scores that they are not known, and why."""
        for link_id in scores:
            self.values[link_id] = None
            self.issues.append(_issue(code, _at(link_id), text, severity))

    def _has_open_item(self, named: frozenset[str]) -> bool:
        """Tell whether an item is open that the expression names, itself or all of its group.

        One that names nothing of the Questionnaire waits for all that somebody answers.
        """
        items = self.instrument.items
        asked = [item for item in items if item.link_id in named] or [
            item for item in items if item.is_given and (not named or named.intersection(item.parents))
        ]
        return any(
            find_status(self.answers, item.link_id) is not AnswerStatus.ANSWERED
            for item in asked
            if self.applicabilities.find(item.link_id) is not Applicability.SKIPPED
        )


@dataclass(frozen=True, slots=True)
class ExpressionPlan:
    """What is read once per Questionnaire: its variables in order, and its linkIds."""

    variables: tuple[tuple[str, str], ...]
    link_ids: frozenset[str]

    def names(self, expression: str) -> frozenset[str]:
        """Give the linkIds that an expression names, itself or through variables."""
        texts, named = [expression], set(self._variables_of(expression))
        for name, definition in reversed(self.variables):
            if name in named:
                texts.append(definition)
                named |= self._variables_of(definition)
        return frozenset(found for text in texts for found in _QUOTED.findall(text)) & self.link_ids

    def _variables_of(self, expression: str) -> set[str]:
        return {name for groups in _NAMED_VARIABLE.findall(expression) for name in groups if name}


@lru_cache(maxsize=256)
def _plan(instrument: Instrument) -> ExpressionPlan:
    return plan_expressions(Element(instrument.questionnaire, "Questionnaire", MalformedInstrument))


def plan_expressions(questionnaire: Element) -> ExpressionPlan:
    """Read what a Questionnaire's expressions may name. Raises: the element's error."""
    return ExpressionPlan(
        variables=tuple(find_variables(questionnaire)),
        link_ids=frozenset(element.string("linkId") for element, _ in walk_items(questionnaire)),
    )


def find_variables(questionnaire: Element) -> Iterable[tuple[str, str]]:
    """Give name and expression of the Questionnaire's variables, in order. Raises: the element's error."""
    for extension in questionnaire.extensions(VARIABLE):
        expression = extension.child("valueExpression")
        yield expression.string("name"), expression.string("expression")


def check_expression(expression: str) -> str | None:
    """Give what speaks against an expression before it has ever been evaluated, None if nothing does."""
    if len(expression) > LONGEST_EXPRESSION:
        return f"longer than {LONGEST_EXPRESSION} characters"
    if _CLOCK.search(expression):
        return "reads the clock"
    try:
        _compile(expression)
    except Exception:  # noqa: BLE001  # fhirpathpy raises Exception itself
        return "not a FHIRPath expression"
    return None


def _evaluate(expression: str, response: Json, variables: Mapping[str, Any]) -> list[Any] | None:
    """Give what the engine gives, None where it fails."""
    if check_expression(expression) is not None:
        return None
    try:
        return list(_compile(expression)(response, {"resource": response, "context": response, **variables}))
    except Exception:  # noqa: BLE001  # as above, and whatever the expression makes its functions stumble over
        return None


@lru_cache(maxsize=512)
def _compile(expression: str) -> Callable[[Json, Mapping[str, Any]], Sequence[Any]]:
    # Imported here: the engine and its grammar take a third of a second, and no shipped instrument needs them.
    import fhirpathpy  # noqa: PLC0415  # see above
    from fhirpathpy.models import models  # noqa: PLC0415  # see above

    _check_syntax(expression)
    table = {name: {"fn": function, "arity": {0: []}} for name, function in _FUNCTIONS.items()}
    compiled: Callable[[Json, Mapping[str, Any]], Sequence[Any]] = fhirpathpy.compile(
        expression, models["r4"], {"userInvocationTable": table}
    )
    return compiled


def _check_syntax(expression: str) -> None:
    """Refuse what the engine's own parser would mend or leave out: it stops where the text makes no sense any more."""
    grammar: Any = import_module("fhirpathpy.parser")  # generated, without types
    lexer = grammar.FHIRPathLexer(grammar.InputStream(expression))
    lexer.recover = grammar.recover
    parser = grammar.FHIRPathParser(grammar.CommonTokenStream(lexer))
    for recognizer in (lexer, parser):
        recognizer.removeErrorListeners()
    parser.entireExpression()
    if parser.getNumberOfSyntaxErrors():
        raise ValueError("not a whole FHIRPath expression")


def _weights(nodes: list[Any]) -> list[Points]:
    """Give the weight of each coding (or answer that holds one) that has one."""
    weights = []
    for node in nodes:
        coding = node.get("valueCoding", node) if isinstance(node, dict) else {}
        for extension in coding.get("extension", ()):
            if extension.get("url") in (ITEM_WEIGHT, ORDINAL_VALUE):
                weights.append(extension["valueDecimal"])
                break
    return weights


def _sum(nodes: list[Any]) -> list[Any]:
    return [sum(nodes[1:], nodes[0])] if nodes else []


def _average(nodes: list[Any]) -> list[Any]:
    return [Decimal(sum(nodes)) / len(nodes)] if nodes else []


def _to_decimal(nodes: list[Any]) -> list[Any]:
    if len(nodes) != 1:
        return []
    try:
        return [as_number(Decimal(str(int(nodes[0]) if isinstance(nodes[0], bool) else nodes[0])))]
    except InvalidOperation:
        return []


def _to_integer(nodes: list[Any]) -> list[Any]:
    return [number for number in _to_decimal(nodes) if isinstance(number, int)]


_FUNCTIONS: Final[Mapping[str, Callable[[list[Any]], list[Any]]]] = {
    "weight": _weights,
    "ordinal": _weights,
    "sum": _sum,
    "avg": _average,
    "min": lambda nodes: [min(nodes)] if nodes else [],
    "max": lambda nodes: [max(nodes)] if nodes else [],
    "toDecimal": _to_decimal,
    "toInteger": _to_integer,
}


def _at(link_id: str) -> str:
    return f"QuestionnaireResponse.item.where(linkId='{link_id}')"


def _issue(code: str, at: str, text: str, severity: Severity = Severity.ERROR) -> Issue:
    return Issue(severity=severity, code=code, expression=at, text=text)
