"""Finds instruments: those that ship with fhir_mappings (a site's own and the EHR's take the same path later)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources

from fhir_mappings.errors import UnknownFigure
from fhir_mappings.instrument import Instrument, parse_instrument
from fhir_mappings.site_choice import SiteChoice, apply_choice

BUNDLED = ("phq-9", "gad-7")
"""Ids of the instruments that ship, in the order of the pages."""


class Library:
    """The instruments of this installation, by id. Immutable; parse once per process.

    Iterating gives those that are offered, in the order of the pages; ``find`` also knows the others, so that results
    of an instrument that the site has switched off can still be read, reviewed and signed.
    """

    def __init__(self, instruments: Iterable[Instrument], *, offered: Iterable[str] | None = None) -> None:
        """``offered``: ids in order; None offers all. Raises: KeyError for an id that is not among them."""
        self._by_id = {instrument.id: instrument for instrument in instruments}
        self._offered = tuple(self._by_id[name] for name in (self._by_id if offered is None else offered))

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._offered)

    def __len__(self) -> int:
        return len(self._offered)

    def find(self, instrument_id: str) -> Instrument | None:
        """Give the instrument of that id ("phq-9"), offered or not; None where there is none."""
        return self._by_id.get(instrument_id)

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
        return Library(chosen, offered=[instrument.id for instrument in self._offered])


def load_library(offered: Iterable[str] = BUNDLED) -> Library:
    """Read the instruments that ship. Raises: fhir_mappings.errors.MalformedInstrument."""
    folder = resources.files("fhir_mappings.instruments")
    offered = tuple(offered)
    names = dict.fromkeys((*BUNDLED, *offered))
    instruments = [parse_instrument(folder.joinpath(f"{name}.json").read_bytes()) for name in names]
    return Library(instruments, offered=offered)
