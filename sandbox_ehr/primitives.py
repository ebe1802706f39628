"""FHIR's primitive types in JSON, http://hl7.org/fhir/R4/datatypes.html#primitive."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from lxml import etree

from sandbox_ehr.search_index import parse_date_range

LONGEST_STRING = 1024 * 1024
"""Characters."""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

_ZONE = r"(Z|[+-](0\d|1[0-4]):[0-5]\d)"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
_DATE = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"
_PATTERNS = {
    "base64Binary": r"(\s*([0-9a-zA-Z+/=]){4}\s*)+",
    "canonical": r"\S+",
    "code": r"\S+( \S+)*",
    "date": _DATE,
    "dateTime": rf"{_DATE}|\d{{4}}-\d\d-\d\dT{_TIME}{_ZONE}",
    "id": r"[A-Za-z0-9.-]{1,64}",
    "instant": rf"\d{{4}}-\d\d-\d\dT{_TIME}{_ZONE}",
    "markdown": r"[\s\S]*\S[\s\S]*",
    "oid": r"urn:oid:[0-2](\.(0|[1-9]\d*))+",
    "string": r"[\s\S]*\S[\s\S]*",
    "time": _TIME,
    "uri": r"\S+",
    "url": r"\S+",
    "uuid": r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
_COMPILED = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
_LOWEST = {"integer": -(2**31), "unsignedInt": 0, "positiveInt": 1}
PRIMITIVES = frozenset({*_PATTERNS, *_LOWEST, "boolean", "decimal", "xhtml"})

_XHTML = "{http://www.w3.org/1999/xhtml}"
_ALLOWED_XHTML = frozenset(
    {
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "ul",
        "var",
    }
)


def find_primitive_fault(datatype: str, value: Any) -> str | None:
    """Say what is wrong with a primitive value, without quoting it, or None."""
    is_boolean = isinstance(value, bool)
    if datatype in _LOWEST:
        whole = isinstance(value, int) and not is_boolean
        sound = whole and _LOWEST[datatype] <= value < 2**31
    elif datatype == "boolean":
        sound = is_boolean
    elif datatype == "decimal":
        sound = isinstance(value, int | Decimal) and not is_boolean
    elif datatype == "xhtml":
        return _find_narrative_fault(value) if isinstance(value, str) else "is not a string"
    else:
        sound = isinstance(value, str) and not _CONTROL_CHARACTERS.search(value) and _is_well_formed(datatype, value)
    return None if sound else f"is not of type {datatype}"


def _is_well_formed(datatype: str, value: str) -> bool:
    if datatype == "base64Binary":  # by hand: the specification's pattern takes long on megabytes
        packed = "".join(value.split())
        return bool(packed) and len(packed) % 4 == 0 and re.fullmatch(r"[0-9A-Za-z+/]+={0,2}", packed) is not None
    if len(value) > LONGEST_STRING or not _COMPILED[datatype].fullmatch(value):
        return False
    if datatype in {"date", "dateTime", "instant"}:
        try:
            parse_date_range(value)
        except (ValueError, OverflowError):
            return False
    return True


def _find_narrative_fault(value: str) -> str | None:
    """Check txt-1 and txt-2, http://hl7.org/fhir/R4/narrative.html."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(value.encode(), parser)
    except etree.XMLSyntaxError:
        return "is not well-formed XHTML"
    if "<!DOCTYPE" in value or root.tag != f"{_XHTML}div":
        return "is not a div in the XHTML namespace"
    for element in root.iter("*"):
        name = str(element.tag).removeprefix(_XHTML)
        attributes = [str(attribute).lower() for attribute in element.attrib]
        if name not in _ALLOWED_XHTML or any(attribute.startswith("on") for attribute in attributes):
            return "holds an element or attribute that a narrative may not have"
    if not "".join(str(text) for text in root.itertext()).strip() and root.find(f".//{_XHTML}img") is None:
        return "is an empty narrative"
    return None
