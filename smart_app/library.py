"""Finds instruments: those that ship with fhir_mappings, the site's own, and licensed wording for those without text.

A site's folder (`[instruments] folder`) holds its own Bundles or R4 Questionnaires (`*.json`) and its licensed texts
(`*.toml`). One that lacks its wording is known here, so that its results can be read and scored, but never offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import ClassVar

from fhir_mappings.errors import MappingError, UnknownFigure
from fhir_mappings.instrument import Instrument, parse_instrument
from fhir_mappings.r4 import Json, format_json, parse_json_strict
from fhir_mappings.site_choice import SiteChoice, apply_choice
from fhir_mappings.site_questionnaire import parse_site_instrument
from fhir_mappings.systems import CANONICAL_BASE
from smart_app.errors import AppError
from smart_app.licensed_text import (
    LARGEST_FILE,
    SiteFileError,
    complete_bundle,
    find_missing_text,
    read_licensed_text,
)

BUNDLED = (
    "phq-9",
    "gad-7",
    "phq-2",
    "gad-2",
    "phq-4",
    "phq-8",
    "phq-a",
    "asq",
    "pc-ptsd-5",
    "pcl-5",
    "audit-c",
    "audit",
    "cage-aid",
    "k6",
    "k10",
    "phq-15",
    "psc-17",
    "c-ssrs-screener",
    "epds",
    "who-5",
    "dast-10",
    "isi",
    "mdq",
    "asrs-v1.1-a",
    "oasis",
    "whodas-12",
    "promis-depression-4a",
)
"""Ids of the instruments that ship, in the order of the pages: with their text, then those that need a site's."""

OFFERED = ("phq-9", "gad-7")
"""What a site offers that does not say."""

_OWN_DEFINITIONS = ("definitions.json", "screening_codes.json")


class NotOffered(AppError):
    """The settings offer an instrument that cannot be given."""

    code: ClassVar[str] = "instrument-not-offered"
    title: ClassVar[str] = "An instrument that the settings offer cannot be given"
    remedy: ClassVar[str] = "`smart-screening instruments list` tells which there are, and which need a licensed text."
    http_status: ClassVar[int] = 500


class Library:
    """The instruments of this installation, by id. Immutable; parse once per process.

    Iterating gives those that are offered, in the order of the pages; ``find`` also knows the others, so that results
    of an instrument that the site has switched off can still be read, reviewed and signed.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        offered: Iterable[str] | None = None,
        published: Iterable[Json] | None = None,
    ) -> None:
        """``offered``: ids in order; None offers all. ``published``: Bundles for anybody to read; None: every one.

        Raises: KeyError for an id that is not among them.
        """
        self._by_id = {instrument.id: instrument for instrument in instruments}
        self._offered = tuple(self._by_id[name] for name in (self._by_id if offered is None else offered))
        self._published = tuple([i.bundle for i in self._by_id.values()] if published is None else published)
        self._find_fetched: Callable[[str], bytes | None] = lambda _: None
        self._fetched: dict[str, Instrument] = {}

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._offered)

    def __len__(self) -> int:
        return len(self._offered)

    def find(self, instrument_id: str) -> Instrument | None:
        """Give the instrument of that id ("phq-9"), offered or not; None where there is none."""
        known = self._by_id.get(instrument_id) or self._fetched.get(instrument_id)
        if known is None and is_fetched(instrument_id) and (body := self._find_fetched(instrument_id)) is not None:
            # Parsed once per process: scoring compiles by the instrument's identity. It passed the check when fetched.
            known = self._fetched.setdefault(instrument_id, parse_site_instrument(body, instrument_id=instrument_id))
        return known

    def offers(self, instrument: Instrument) -> bool:
        """Tell whether it may be started: the site offers it, or an EHR has asked for it."""
        return instrument in self._offered or is_fetched(instrument.id)

    def with_fetched(self, find_fetched: Callable[[str], bytes | None]) -> Library:
        """Give the library that also finds the Questionnaires fetched from EHRs, by the bodies kept of them."""
        library = Library(
            self._by_id.values(), offered=[instrument.id for instrument in self._offered], published=self._published
        )
        library._find_fetched = find_fetched
        return library

    def find_all(self) -> tuple[Instrument, ...]:
        """Give every instrument, offered or not, in the order of the pages."""
        return tuple(self._by_id.values())

    def find_by_canonical(self, canonical: str) -> Instrument | None:
        """Give the offered instrument that a canonical names; one without version matches any version."""
        url, _, version = canonical.partition("|")
        return next((i for i in self if i.url == url and version in ("", i.version)), None)

    def choose(self, choice: SiteChoice) -> Library:
        """Give the library with the site's cut-offs and figures of change in use.

        Raises: UnknownFigure for one that no instrument publishes for that score.
        """
        known = {score.id for instrument in self._by_id.values() for score in instrument.scores}
        for score_id in (*choice.cutoffs, *choice.figures):
            if score_id not in known:
                raise UnknownFigure(score_id, "no such score")
        chosen = [apply_choice(instrument, choice) for instrument in self._by_id.values()]
        return Library(chosen, offered=[instrument.id for instrument in self._offered], published=self._published)

    def find_definition(self, resource_type: str, resource_id: str) -> Json | None:
        """Give a definition for anybody to read: an instrument's, our extensions', our code systems'.

        Wording that a site has licensed is not among it.
        """
        named = (resource_type, resource_id)
        return next(
            (
                entry["resource"]
                for bundle in self._published
                for entry in bundle["entry"]
                if (entry["resource"]["resourceType"], entry["resource"].get("id")) == named
            ),
            read_own_definitions().get(named),
        )


_FETCHED = "ehr-"


def name_fetched(ehr_id: str, body: bytes) -> str:
    """Give the id of a Questionnaire fetched from an EHR: another wording is another instrument."""
    return f"{_FETCHED}{sha256(ehr_id.encode() + b'/' + body).hexdigest()[:32]}"


def is_fetched(instrument_id: str) -> bool:
    """Tell whether an id is that of a Questionnaire fetched from an EHR."""
    return instrument_id.startswith(_FETCHED)


def find_with_text() -> tuple[str, ...]:
    """Give the ids of the instruments that ship with their text, in the order of the pages."""
    return tuple(one.id for one in read_bundled_instruments() if not find_missing_text(one.bundle))


@cache
def read_own_definitions() -> dict[tuple[str, str], Json]:
    """Read our StructureDefinitions and CodeSystems, by type and id."""
    found = {}
    for name in _OWN_DEFINITIONS:
        resource = parse_json_strict(resources.files("fhir_mappings").joinpath(name).read_bytes())
        for one in [entry["resource"] for entry in resource["entry"]] if "entry" in resource else [resource]:
            found[one["resourceType"], one["id"]] = one
    return found


def load_library(offered: Iterable[str] = OFFERED, folder: Path | None = None) -> Library:
    """Read the instruments that ship and those of the site's folder, and offer some.

    Raises: NotOffered for an id that is not there or has no text; SiteFileError; MalformedInstrument.
    """
    bundled = read_bundled_instruments()
    instruments = {instrument.id: instrument for instrument in bundled}
    published = {instrument.id: instrument.bundle for instrument in bundled}
    for instrument in _read_site(folder, dict(instruments)):
        instruments[instrument.id] = instrument
        published.setdefault(instrument.id, instrument.bundle)
    offered = tuple(offered)
    for name in offered:
        if name not in instruments:
            raise NotOffered(f"there is no instrument {name}", field="instruments.enabled")
        if missing := find_missing_text(instruments[name].bundle):
            problem = f"{name} ships without its licensed text: {', '.join(missing)}"
            raise NotOffered(problem, field="instruments.enabled")
    return Library(instruments.values(), offered=offered, published=published.values())


def load_catalog(folder: Path | None = None) -> Library:
    """Read every instrument, those without text too, to list, show and score. Raises: as `load_library`."""
    known = load_library((), folder)
    return Library(known.find_all())


def _read_site(folder: Path | None, bundled: Mapping[str, Instrument]) -> Iterator[Instrument]:
    """Read a site's folder: its own instruments, then its wording of ours."""
    if folder is None or not folder.is_dir():
        return
    known = dict.fromkeys(bundled, "ships with the app")
    for path in sorted(folder.glob("*.json")):
        instrument = _read_own_instrument(path)
        if instrument.id in known:
            raise SiteFileError(path, f"its id {instrument.id} {known[instrument.id]}: give it another")
        known[instrument.id] = f"is that of {path.name} too"
        yield instrument
    worded: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        text = read_licensed_text(path)
        if text.instrument not in bundled:
            raise SiteFileError(path, f"no instrument {text.instrument} ships")
        if text.instrument in worded:
            raise SiteFileError(path, f"{text.instrument} has its wording in {worded[text.instrument]} already")
        worded[text.instrument] = path.name
        completed = complete_bundle(bundled[text.instrument].bundle, text, path)
        yield parse_instrument(format_json(completed).encode())


def _read_own_instrument(path: Path) -> Instrument:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SiteFileError(path, f"is longer than {LARGEST_FILE} bytes")
        instrument = parse_site_instrument(path.read_bytes())
    except OSError as exc:
        raise SiteFileError(path, "cannot be read") from exc
    except MappingError as exc:
        raise SiteFileError(path, f"{exc.expression}: {exc.problem}") from exc
    if instrument.url.startswith(CANONICAL_BASE):
        raise SiteFileError(path, "its canonical stands under ours: use an address of your own")
    return instrument


@cache
def read_bundled_instruments() -> tuple[Instrument, ...]:
    """Parse the instruments that ship, once a process. Raises: MalformedInstrument."""
    return tuple(parse_instrument(read_bundled(name)) for name in BUNDLED)


def read_bundled(instrument_id: str) -> bytes:
    """Read the Bundle of an instrument that ships."""
    return resources.files("fhir_mappings.instruments").joinpath(f"{instrument_id}.json").read_bytes()
