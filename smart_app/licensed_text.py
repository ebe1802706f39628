"""A site's licensed wording of an instrument that ships without text: read from its TOML file, set into the Bundle.

The definition has `needs-licensed-text` on its Questionnaire (docs/instruments.md); the file's format is in
docs/operations.md. Wording is all that is taken: codes, weights, conditions, scores and alerts stay the definition's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from fhir_mappings.r4 import Json
from fhir_mappings.systems import EXT_NEEDS_TEXT, EXT_SCORE_DEFINITION
from smart_app.errors import AppError

LARGEST_FILE: Final = 5 * 1024 * 1024
"""Bytes of the longest file of a site that is read."""

_WORDS: Final = frozenset({"instrument", "version", "language", "licence"})
_TABLES: Final = frozenset({"items", "answers"})
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class SiteFileError(AppError):
    """A file of the site's instruments cannot be used; the message names the file and every fault."""

    code: ClassVar[str] = "invalid-site-instrument"
    title: ClassVar[str] = "A file of the site's instruments cannot be used"
    remedy: ClassVar[str] = "Correct what is named, then start again; docs/operations.md describes these files."
    http_status: ClassVar[int] = 500

    def __init__(self, path: Path, *problems: str) -> None:
        super().__init__("\n".join(f"{path.name}: {problem}" for problem in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class LicensedText:
    """The wording of one instrument, as its licence holder gave it to the site.

    ``version`` is the definition's that it was made for. ``licence`` is shown beside the author's attribution.
    ``items``: linkId → text, ``answers``: option code → text.
    """

    instrument: str
    version: str
    language: str
    licence: str
    items: Mapping[str, str]
    answers: Mapping[str, str]


def read_licensed_text(path: Path) -> LicensedText:
    """Read a site's file. Raises: SiteFileError with every fault."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SiteFileError(path, f"is longer than {LARGEST_FILE} bytes")
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise SiteFileError(path, "cannot be read as UTF-8 text") from exc
    except tomllib.TOMLDecodeError as exc:
        raise SiteFileError(path, "is not TOML") from exc
    problems = [f"{name} is not a setting of this file" for name in values.keys() - _WORDS - _TABLES]
    problems += [f"{name} must be a text" for name in _WORDS if not _is_text(values.get(name))]
    for name in _TABLES:
        table = values.get(name, {})
        if not isinstance(table, dict):
            problems.append(f"[{name}] must be a table")
            continue
        problems += [f"{name}: {key} must be a text" for key, text in table.items() if not _is_text(text)]
    if not problems and not _LANGUAGE.fullmatch(values["language"]):
        problems.append("language must be a BCP 47 code such as en-GB")
    if problems:
        raise SiteFileError(path, *sorted(problems))
    words = {name: values[name].strip() for name in _WORDS}
    tables = {name: {key: text.strip() for key, text in values.get(name, {}).items()} for name in _TABLES}
    return LicensedText(**words, items=tables["items"], answers=tables["answers"])


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def needs_licensed_text(bundle: Json) -> bool:
    """Tell whether a Bundle is a definition without its licensed wording."""
    extensions = _questionnaire(bundle).get("extension", [])
    return any(extension.get("url") == EXT_NEEDS_TEXT for extension in extensions)


def find_missing_text(bundle: Json) -> tuple[str, ...]:
    """Give the linkIds and option codes that have no wording, in print order, each once."""
    missing: dict[str, None] = {}
    for item in _asked_items(_questionnaire(bundle)):
        if not item.get("text"):
            missing[item["linkId"]] = None
        missing |= {coding["code"]: None for coding in _options(item) if not coding.get("display")}
    return tuple(missing)


def complete_bundle(bundle: Json, text: LicensedText, path: Path) -> Json:
    """Give a copy of the Bundle with the site's wording in its places.

    Raises: SiteFileError if the file is for another version, names a linkId or code that the definition does not
    have, or leaves one of them without wording.
    """
    completed: Json = deepcopy(bundle)
    questionnaire = _questionnaire(completed)
    if not needs_licensed_text(bundle):
        raise SiteFileError(path, f"{text.instrument} has its wording: a text file is for one that ships without")
    if text.version != questionnaire["version"]:
        raise SiteFileError(path, f"is made for version {text.version}, and this is {questionnaire['version']}")
    items = tuple(_asked_items(questionnaire))
    options = tuple(coding for item in items for coding in _options(item))
    for item in items:
        item.update(_worded("text", text.items.get(item["linkId"])))
    for coding in options:
        coding.update(_worded("display", text.answers.get(coding["code"])))
    link_ids, codes = {item["linkId"] for item in items}, {coding["code"] for coding in options}
    problems = [f"items: there is no linkId {name}" for name in text.items if name not in link_ids]
    problems += [f"answers: there is no option {name}" for name in text.answers if name not in codes]
    problems += [f"{name} is without text" for name in find_missing_text(completed)]
    if problems:
        raise SiteFileError(path, *problems)
    questionnaire["extension"] = [e for e in questionnaire["extension"] if e.get("url") != EXT_NEEDS_TEXT]
    questionnaire["language"] = text.language
    attribution, separator, notice = questionnaire["copyright"].partition("\n\n")
    questionnaire["copyright"] = f"{attribution} {text.licence}{separator}{notice}"
    return completed


def _worded(element: str, words: str | None) -> dict[str, str]:
    return {} if words is None else {element: words}


def _questionnaire(bundle: Json) -> Json:
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Questionnaire":
            resource: Json = entry["resource"]
            return resource
    raise KeyError("Questionnaire")


def _asked_items(parent: Mapping[str, Any]) -> Iterator[Json]:
    """Give every item that is shown, depth first; score items, which only calculate, are left out."""
    for item in parent.get("item", []):
        if any(extension.get("url") == EXT_SCORE_DEFINITION for extension in item.get("extension", [])):
            continue
        yield item
        yield from _asked_items(item)


def _options(item: Json) -> Iterator[Json]:
    for option in item.get("answerOption", []):
        if isinstance(coding := option.get("valueCoding"), dict):
            yield coding
