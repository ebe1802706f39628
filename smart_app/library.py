"""Finds instruments: those that ship with fhir_mappings (a site's own and the EHR's take the same path later)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources

from fhir_mappings.instrument import Instrument, parse_instrument


class Library:
    """The instruments of this installation, by id. Immutable; parse once per process."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        """Keep them in the order given, which is the order of the pages."""
        self._by_id = {instrument.id: instrument for instrument in instruments}

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, instrument_id: str) -> Instrument | None:
        """Give the instrument of that id ("phq-9"), None where the library has none."""
        return self._by_id.get(instrument_id)

    def find_by_canonical(self, canonical: str) -> Instrument | None:
        """Give the instrument that a canonical names; one without version matches any version."""
        url, _, version = canonical.partition("|")
        return next((i for i in self if i.url == url and version in ("", i.version)), None)


BUNDLED = ("phq-9", "gad-7")
"""Ids of the instruments that ship, in the order of the pages."""


def load_library(instrument_ids: Iterable[str] = BUNDLED) -> Library:
    """Read bundled instruments from the package. Raises: fhir_mappings.errors.MalformedInstrument."""
    folder = resources.files("fhir_mappings.instruments")
    return Library(parse_instrument(folder.joinpath(f"{name}.json").read_bytes()) for name in instrument_ids)
