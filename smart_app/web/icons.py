"""Icons as a sprite at the end of the page that holds only those the page uses (24 by 24, drawn with strokes)."""

from __future__ import annotations

from typing import Final

from flask import g
from markupsafe import Markup

_STROKES: Final = {
    "alert": '<path d="M12 3 2.5 20h19z"/><path d="M12 10v4.5m0 2.8v.2"/>',
    "check": '<circle cx="12" cy="12" r="9"/><path d="m8 12.5 2.7 2.7L16 9.5"/>',
    "cross": '<circle cx="12" cy="12" r="9"/><path d="m9 9 6 6m0-6-6 6"/>',
    "query": '<circle cx="12" cy="12" r="9" stroke-dasharray="4 2.6"/><path d="M12 7.5V12l3 2"/>',
    "minus": '<circle cx="12" cy="12" r="9"/><path d="M8 12h8"/>',
    "clock": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.5 2"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5m0-9v.2"/>',
    "down": '<path d="m4 6.5 6 6.5 3.5-3 6.5 7.5M20 12v5.5h-5.5"/>',
    "up": '<path d="m4 17.5 6-6.5 3.5 3L20 6.5M20 12V6.5h-5.5"/>',
    "flat": '<path d="M4 9.5c3-3 5 3 8 0s5 3 8 0m-16 6c3-3 5 3 8 0s5 3 8 0"/>',
    "pen": '<path d="m5 19 1-4L16.5 4.5l3 3L9 18z"/>',
    "lock": '<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>',
    "open": '<path d="M13.5 4H20v6.5M20 4l-9 9m6 1v6H4V7h6"/>',
    "phone": '<path d="M6 3.5h3.5l1.5 5-2.3 1.6a11 11 0 0 0 5.2 5.2l1.6-2.3 5 1.5V18a2.5 2.5 0 0 1-2.7 2.5C10 20 4 14 '
    '3.5 6.2A2.5 2.5 0 0 1 6 3.5z"/>',
}
_BARS: Final = ("0 8.5", "3.75 6.375", "7.5 4.25", "11.25 2.125", "15 0")


def icon(name: str) -> Markup:
    """Draw an icon beside words; it is silent to screen readers. Raises: KeyError, a template's mistake."""
    _used().setdefault(name, _STROKES[name])
    return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def need_icons(*names: str) -> str:
    """Put icons into the page's sprite that a part fetched later will use."""
    for name in names:
        _used().setdefault(name, _STROKES[name])
    return ""


def level_glyph(level: int) -> Markup:
    """Draw one to five bars: a band's place that needs no colour."""
    bars = []
    for number, corner in enumerate(_BARS, start=1):
        top = corner.split()[1]
        path = f'd="M{corner}h2.75V12h-2.75z"' if top != "0" else 'd="M15 0h2.75v12H15z"'
        bars.append(f"<path {path}/>" if number <= level else f'<path fill-opacity=".28" {path}/>')
    return Markup('<svg class="level" viewBox="0 0 18 12" aria-hidden="true">{}</svg>').format(Markup("".join(bars)))  # noqa: S704 - constants of this module


def icon_sprite() -> Markup:
    """Give the symbols that the page has used so far: the layout places it last."""
    symbols = (f'<symbol id="i-{name}" viewBox="0 0 24 24">{strokes}</symbol>' for name, strokes in _used().items())
    return Markup('<svg class="sprite" aria-hidden="true">{}</svg>').format(Markup("".join(symbols)))  # noqa: S704 - constants of this module


def _used() -> dict[str, str]:
    used: dict[str, str] = g.setdefault("icons", {})
    return used
