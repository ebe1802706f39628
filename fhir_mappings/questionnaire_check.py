"""Check a Questionnaire item by item: what can't be given, scored or written here, each with a stable code.

Sources: http://hl7.org/fhir/R4/questionnaire.html and its constraints; the extensions of R4 core and of SDC 4.0. An
error makes the Questionnaire unusable here; a warning names what is not done that its author may expect.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from fhir_mappings.answer_value import SUFFIXES, find_order, parse_value
from fhir_mappings.element import Element
from fhir_mappings.errors import Issue, MalformedInstrument, MappingError, Severity
from fhir_mappings.fhirpath_scoring import check_expression, find_variables
from fhir_mappings.questionnaire import (
    CHOICE_TYPES,
    ORDERED_TYPES,
    ORDERING,
    REPEATABLE_TYPES,
    SILENT_TYPES,
    Operator,
    Option,
    is_calculated,
    parse_option,
    parse_value_set,
    walk_items,
)
from fhir_mappings.r4 import Json
from fhir_mappings.systems import CALCULATED_EXPRESSION, EXT_ITEM_LABEL, HIDDEN, MAX_VALUE, MIN_VALUE

MOST_ITEMS: Final = 200
DEEPEST: Final = 8
RESERVED_CODE: Final = "declined"
"""The word by which a page says that an item was declined; no option may have it as its code."""
_LINK_ID: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9/._:|-]{0,63}")
_SDC: Final = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
_CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

# Extensions that change what an item is, and that are not followed here.
_EXTENSIONS: Final[Mapping[str, tuple[Severity, str]]] = {
    _SDC + "enableWhenExpression": (_ERROR, "enabled by an expression"),
    _SDC + "answerExpression": (_ERROR, "offers what an expression gives"),
    _SDC + "answerOptionsToggleExpression": (_ERROR, "offers options by an expression"),
    _SDC + "itemAnswerMedia": (_ERROR, "offers media"),
    _SDC + "subQuestionnaire": (_ERROR, "stands for another Questionnaire"),
    _CORE + "cqf-expression": (_ERROR, "worded by an expression"),
    _SDC + "initialExpression": (_WARNING, "not filled in from the chart"),
    _SDC + "candidateExpression": (_WARNING, "offers no candidates"),
    _SDC + "optionalDisplay": (_WARNING, "always shown"),
    _SDC + "targetConstraint": (_WARNING, "its constraint is not checked"),
    _CORE + "questionnaire-constraint": (_WARNING, "its constraint is not checked"),
    _CORE + "targetConstraint": (_WARNING, "its constraint is not checked"),
    _CORE + "variable": (_WARNING, "only variables of the whole Questionnaire are known to expressions"),
    _CORE + "questionnaire-optionExclusive": (_WARNING, "an exclusive option does not exclude the others"),
    _CORE + "minLength": (_WARNING, "the shortest length is not checked"),
    _CORE + "regex": (_WARNING, "the pattern is not checked"),
}


def check_questionnaire(questionnaire: Json) -> tuple[Issue, ...]:
    """Give all findings in print order. Shapes: a parsed R4 Questionnaire. Pure; raises nothing."""
    root = Element(questionnaire, "Questionnaire", MalformedInstrument)
    check = _Check()
    for step in (partial(_check_frame, check), check.collect, partial(_check_variables, check)):
        check.guard(partial(step, root))
    if check.overflowed:
        return tuple(check.issues)
    for element, holders in check.items:
        check.guard(partial(_check_item, check, element, holders))
    if not check.needs and all(issue.severity is not _ERROR for issue in check.issues):
        check.say("nothing-to-answer", "Questionnaire.item", "asks nothing")
    _check_cycles(check)
    return tuple(check.issues)


@dataclass(slots=True)
class _Check:
    """What one pass finds, and what items may point at."""

    issues: list[Issue] = field(default_factory=list)
    items: list[tuple[Element, tuple[Element, ...]]] = field(default_factory=list)
    by_link_id: dict[str, Element] = field(default_factory=dict)
    value_sets: dict[str, Element] = field(default_factory=dict)
    needs: dict[str, set[str]] = field(default_factory=dict)
    doubled: set[str] = field(default_factory=set)
    overflowed: bool = False

    def say(self, code: str, where: str, text: str, severity: Severity = _ERROR) -> None:
        """Add a finding."""
        self.issues.append(Issue(severity=severity, code=code, expression=where, text=text))

    def guard(self, step: Callable[[], None]) -> None:
        """Run a step; an element of the wrong JSON type is a finding, too."""
        try:
            step()
        except MappingError as error:
            self.say("malformed-element", error.expression, error.problem)

    def collect(self, root: Element) -> None:
        """List the items, as far as there may be so many."""
        for contained in root.children("contained"):
            self.value_sets[f"#{contained.string('id')}"] = contained
        for element, holders in walk_items(root):
            if len(self.items) == MOST_ITEMS:
                self.overflowed = True
                self.say("too-many-items", "Questionnaire.item", f"more than {MOST_ITEMS} items")
                return
            if len(holders) >= DEEPEST:
                self.overflowed = True
                self.say("nested-too-deep", element.path, f"nested deeper than {DEEPEST} levels")
                return
            link_id = element.value.get("linkId")
            if isinstance(link_id, str) and link_id in self.by_link_id:
                if link_id not in self.doubled:
                    self.doubled.add(link_id)
                    self.say("doubled-link-id", f"{element.path}.linkId", "stands twice in this Questionnaire")
            elif isinstance(link_id, str):
                self.by_link_id[link_id] = element
            self.items.append((element, holders))


def _check_frame(check: _Check, root: Element) -> None:
    if root.string("resourceType") != "Questionnaire":
        check.say("not-a-questionnaire", "Questionnaire.resourceType", "not a Questionnaire")
    if "modifierExtension" in root.value:
        check.say("modifier-extension", "Questionnaire", "a modifier extension that is not known here")
    if root.find_string("url") is None:
        check.say("url-missing", "Questionnaire.url", "a response can't name it without its canonical url")
    for name, text in (
        ("version", "its responses can't tell which wording they answer"),
        ("copyright", "says nothing of the right to use its words: the site answers for it"),
    ):
        if root.find_string(name) is None:
            check.say(f"{name}-missing", f"Questionnaire.{name}", text, _WARNING)
    if root.find_string("language") is None:
        check.say("language-missing", "Questionnaire.language", "nobody knows in which language it may be given")
    if root.find_string("title") is None and root.find_string("name") is None:
        check.say("title-missing", "Questionnaire.title", "neither title nor name")
    if root.find_string("status") == "retired":
        check.say("retired", "Questionnaire.status", "retired by its author")


def _check_variables(check: _Check, root: Element) -> None:
    for name, expression in find_variables(root):
        problem = check_expression(expression)
        if problem:
            check.say("unsupported-expression", f"Questionnaire.extension(variable:{name})", problem)


def _check_item(check: _Check, element: Element, holders: tuple[Element, ...]) -> None:
    link_id = element.string("linkId")
    if not _LINK_ID.fullmatch(link_id):
        check.say("unfit-link-id", f"{element.path}.linkId", "longer than 64 characters, or with blanks or quotes")
    if "modifierExtension" in element.value:
        check.say("modifier-extension", element.path, "a modifier extension that is not known here")
    for extension in element.children("extension"):
        severity, text = _EXTENSIONS.get(extension.string("url"), (None, ""))
        if severity is not None:
            check.say("unsupported-extension", _named(element), text, severity)
    item_type = element.string("type")
    for number, condition in enumerate(element.children("enableWhen")):
        check.guard(partial(_check_condition, check, condition))
        if number == 1 and element.find_string("enableBehavior") is None:
            text = "several conditions, and not whether all or any must hold: all must"
            check.say("enable-behavior-missing", _named(element), text, _WARNING)
    if element.find_string("enableBehavior") not in (None, "all", "any"):
        check.say("unsupported-behavior", f"{element.path}.enableBehavior", "neither all nor any")
    if is_calculated(element):
        _check_calculated(check, element, item_type)
    elif item_type in SUFFIXES:
        _check_question(check, element, item_type)
        check.needs.setdefault(link_id, set()).update(_needed(element, *holders))
    elif item_type not in SILENT_TYPES:
        check.say("unsupported-item-type", _named(element), f"items of type {_word(item_type)} are not supported")
    elif element.boolean("repeats", default=False):
        check.say("asked-once", _named(element), "a repeating group is asked once", _WARNING)


def _check_calculated(check: _Check, element: Element, item_type: str) -> None:
    if item_type not in ("integer", "decimal"):
        text = "calculated, and no number: left out of forms and responses"
        check.say("calculated-not-number", _named(element), text, _WARNING)
        return
    expression = element.extension(CALCULATED_EXPRESSION).child("valueExpression")
    if expression.find_string("language") != "text/fhirpath":
        check.say("unsupported-expression", _named(element), "not in FHIRPath")
        return
    problem = check_expression(expression.string("expression"))
    if problem:
        check.say("unsupported-expression", _named(element), problem)
    if not list(element.children("code")):
        text = "a score without code: written under a local one"
        check.say("score-without-code", _named(element), text, _WARNING)


def _check_question(check: _Check, element: Element, item_type: str) -> None:
    if element.find_string("text") is None and element.find_extension(EXT_ITEM_LABEL) is None:
        check.say("text-missing", _named(element), "a question without words")
    for code in element.children("code"):
        code.coding()
    if element.boolean("repeats", default=False) and item_type not in REPEATABLE_TYPES:
        check.say("asked-once", _named(element), f"several answers of type {item_type}: one is asked", _WARNING)
    if item_type in CHOICE_TYPES:
        _check_options(check, element, item_type)
    elif element.value.keys() & {"answerOption", "answerValueSet"}:
        check.say("unsupported-option", _named(element), f"options to choose from for answers of type {item_type}")
    _check_limits(check, element, item_type)
    fixed = element.boolean("readOnly", default=False) or any(
        extension.boolean("valueBoolean") for extension in element.extensions(HIDDEN)
    )
    initial = list(element.children("initial"))
    for value in initial:
        parse_value(value, item_type)
    if fixed and not initial:
        check.say("never-answered", _named(element), "hidden or read-only, and without initial value", _WARNING)


def _check_options(check: _Check, element: Element, item_type: str) -> None:
    options: list[Option] = []
    named = element.find_string("answerValueSet")
    if named is not None and named not in check.value_sets:
        check.say("value-set-not-contained", _named(element), "only a ValueSet that the Questionnaire contains")
        return
    if named is not None:
        try:
            options += parse_value_set(check.value_sets[named])
        except MappingError as error:
            check.say("value-set-not-listed", error.expression, error.problem)
            return
    for option in element.children("answerOption"):
        if "valueCoding" not in option.value:
            check.say("unsupported-option", option.path, "an option that is no Coding")
            return
        if option.child("valueCoding").find_string("system") is None:
            check.say("option-without-system", option.path, "an option without code system")
            return
        try:
            options.append(parse_option(option))
        except MappingError as error:
            code = "malformed-weight" if "extension" in error.expression else "malformed-element"
            check.say(code, error.expression, error.problem)
            return
    codes = [option.coding.code for option in options]
    if len(set(codes)) != len(codes):
        check.say("doubled-option", _named(element), "an option's code stands twice")
    if RESERVED_CODE in codes:
        check.say("reserved-code", _named(element), f"an option has the code {RESERVED_CODE}")
    if len(options) < 2 and item_type == "choice":
        check.say("too-few-options", _named(element), "fewer than two options")
    weighted = sum(option.weight is not None for option in options)
    if 0 < weighted < len(options):
        check.say("weight-missing", _named(element), "some options have a weight and some have none", _WARNING)


def _check_limits(check: _Check, element: Element, item_type: str) -> None:
    longest = element.find_integer("maxLength")
    if longest is not None and longest < 1:
        check.say("malformed-limit", f"{element.path}.maxLength", "not a length")
    limits = []
    for url in (MIN_VALUE, MAX_VALUE):
        extension = element.find_extension(url)
        try:
            limits.append(None if extension is None else parse_value(extension, item_type))
        except MappingError as error:
            check.say("malformed-limit", error.expression, error.problem)
            return
    low, high = limits
    if low is not None and high is not None and find_order(low, high) not in (-1, 0):
        check.say("limits-cross", _named(element), "no answer lies between its least and its greatest value")


def _check_condition(check: _Check, condition: Element) -> None:
    question, word = condition.string("question"), condition.string("operator")
    if word not in {str(operator) for operator in Operator}:
        check.say("unsupported-operator", f"{condition.path}.operator", "not an operator of R4")
        return
    operator = Operator(word)
    asked = check.by_link_id.get(question)
    item_type = "" if asked is None or is_calculated(asked) else asked.string("type")
    if item_type not in SUFFIXES:
        check.say("unknown-question", f"{condition.path}.question", "names no item that is answered")
    elif operator in ORDERING and item_type not in ORDERED_TYPES:
        check.say("unsupported-operator", f"{condition.path}.operator", f"can't order answers of type {item_type}")
    else:
        parse_value(condition, "boolean" if operator is Operator.EXISTS else item_type, "answer")
    if operator is Operator.NOT_EQUAL:
        text = "engines disagree on != while the question is open: here it then enables nothing"
        check.say("not-equal", condition.path, text, _WARNING)


def _check_cycles(check: _Check) -> None:
    """Find items that wait for each other: none of them could ever be asked."""
    needs = {link_id: {other for other in others if other in check.needs} for link_id, others in check.needs.items()}
    while free := [link_id for link_id, others in needs.items() if not others & needs.keys()]:
        for link_id in free:
            del needs[link_id]
    for link_id in needs:
        where = f"Questionnaire.item.where(linkId='{_word(link_id)}')"
        check.say("cyclic-enable-when", where, "enabled by its own answer, directly or by way of other items")


def _needed(*elements: Element) -> set[str]:
    """Give the linkIds that an item's conditions and those of what holds it name."""
    return {condition.string("question") for element in elements for condition in element.children("enableWhen")}


def _named(element: Element) -> str:
    """Name an item as a reader finds it again: by path and linkId."""
    return f"{element.path}({_word(element.string('linkId'))})"


def _word(text: str) -> str:
    """Give foreign text as it may stand in a finding: short and without control characters."""
    return re.sub(r"[^\x20-\x7e]", "?", text)[:64]
