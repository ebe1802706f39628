"""The EHR's colors and sizes (SMART App Launch 2.2, "Launch context parameters": smart_style_url, experimental).

The address is one that the EHR chose, so it goes through Transport; the values are untrusted CSS, so each must have
the form that its name promises, and what has not is left out. The address is its own version, so a document is cached
by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from launch.documents import DocumentCache
from launch.fields import InvalidField, parse_json_object
from launch.transport import DOCUMENT_LIMITS, HttpResponse, Transport

_NUMBER = r"\d{1,3}(?:\.\d{1,3})?"
_COLOR = re.compile(
    r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})"
    rf"|rgb\({_NUMBER}, ?{_NUMBER}, ?{_NUMBER}\)|rgba\({_NUMBER}, ?{_NUMBER}, ?{_NUMBER}, ?{_NUMBER}\)"
)
_SIZE = re.compile(rf"{_NUMBER}(?:px|rem|em|pt)|0")
_FONT_NAME = r"(?:[A-Za-z][A-Za-z0-9 \-]{0,40}|'[A-Za-z0-9 \-]{1,40}')"
_FONT = re.compile(rf"{_FONT_NAME}(?:, ?{_FONT_NAME}){{0,9}}")
_FORMS: Mapping[str, re.Pattern[str]] = {
    "color_background": _COLOR,
    "color_error": _COLOR,
    "color_highlight": _COLOR,
    "color_modal_backdrop": _COLOR,
    "color_success": _COLOR,
    "color_text": _COLOR,
    "dim_border_radius": _SIZE,
    "dim_font_size": _SIZE,
    "dim_spacing_size": _SIZE,
    "font_family_body": _FONT,
    "font_family_heading": _FONT,
}


def parse_smart_style(body: bytes) -> dict[str, str]:
    """Return the values that are safe in a stylesheet, by their SMART names; none from a body that cannot be read."""
    try:
        values = parse_json_object(body)
    except InvalidField:
        return {}
    return {
        name: value
        for name, form in _FORMS.items()
        if isinstance(value := values.get(name), str) and form.fullmatch(value) is not None
    }


def fetch_smart_style(url: str, transport: Transport, cache: DocumentCache, now: datetime) -> dict[str, str]:
    """Read the style at `url`, cached. Decoration: any status but 200 gives none. Raises TransportError."""

    def parse(response: HttpResponse) -> dict[str, str]:
        return parse_smart_style(response.body) if response.status == 200 else {}

    return cache.fetch(url, parse, transport=transport, limits=DOCUMENT_LIMITS, accept="application/json", now=now)
