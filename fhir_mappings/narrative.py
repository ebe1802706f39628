"""XHTML by lxml: the narrative of a resource, and the note as a document of its own.

Source: http://hl7.org/fhir/R4/narrative.html (txt-1, txt-2): a div in the XHTML namespace, plain formatting only. All
text goes in as text nodes, so markup in what a person typed stays text.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from lxml import etree

from fhir_mappings.r4 import Json

_XHTML: Final = "http://www.w3.org/1999/xhtml"
# What XML 1.0 cannot carry (https://www.w3.org/TR/xml/#charsets)
_UNPRINTABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def build_narrative(
    title: str, *, paragraphs: Iterable[str] = (), rows: Sequence[tuple[str, str]] = (), language: str | None = None
) -> Json:
    """Build resource.text: a title, paragraphs, and a table of two columns; `language` where the resource has one."""
    div = _root("div")
    if language is not None:
        _set_language(div, language)
    _add(_add(div, "p"), "b", title)
    for paragraph in paragraphs:
        _add(div, "p", paragraph)
    if rows:
        body = _add(_add(div, "table"), "tbody")
        for left, right in rows:
            row = _add(body, "tr")
            _add(row, "td", left)
            _add(row, "td", right)
    return {"status": "generated", "div": etree.tostring(div, encoding="unicode")}


def build_note_document(title: str, text: str, language: str) -> bytes:
    """Build the note as one XHTML document in UTF-8: a paragraph per block, a line break per line."""
    html = _root("html")
    _set_language(html, language)
    _add(_add(html, "head"), "title", title)
    body = _add(html, "body")
    for block in re.split(r"\n{2,}", text.replace("\r\n", "\n").strip("\n")):
        first, *others = block.split("\n")
        paragraph = _add(body, "p", first)
        for line in others:
            _add(paragraph, "br").tail = printable(line)
    return etree.tostring(html, encoding="utf-8", xml_declaration=True)


def printable(text: str) -> str:
    """Replace what XML cannot carry by the replacement character."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _root(name: str) -> etree._Element:
    # Parsed, not made: only so is the XHTML namespace the default one, without prefixes.
    return etree.fromstring(f'<{name} xmlns="{_XHTML}"/>')


def _set_language(element: etree._Element, language: str) -> None:
    # Both, as https://www.w3.org/TR/i18n-html-tech-lang/#langvalues asks for XHTML.
    element.set("lang", language)
    element.set("{http://www.w3.org/XML/1998/namespace}lang", language)


def _tag(name: str) -> str:
    return f"{{{_XHTML}}}{name}"


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, _tag(name))
    if text is not None:
        child.text = printable(text)
    return child
