"""Addresses of the back end in its answers, made addresses of this EHR: `Location`, paging links, `fullUrl`.

Nothing else is touched: what stands inside a resource is its author's. Source: http://hl7.org/fhir/R4/bundle.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ADDRESS_HEADERS = ("Location", "Content-Location")
_KEPT_HEADERS = ("Content-Type", "ETag", "Last-Modified", "Retry-After")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """From the base of the back end to that of this EHR, neither with a slash at its end."""

    backend: str
    own: str

    def address(self, text: str) -> str:
        """Give the address at this EHR; another server's, or a relative one, stays."""
        if text == self.backend or text.startswith((f"{self.backend}/", f"{self.backend}?")):
            return self.own + text.removeprefix(self.backend)
        return text

    def headers(self, received: Mapping[str, str]) -> dict[str, str]:
        """Give the headers that pass."""
        kept = {name: received[name] for name in _KEPT_HEADERS if name in received}
        return kept | {name: self.address(received[name]) for name in _ADDRESS_HEADERS if name in received}

    def bundle(self, bundle: dict[str, Any]) -> dict[str, Any]:
        """Give a copy with `link.url`, `entry.fullUrl` and `entry.response.location` rewritten."""
        changed = dict(bundle)
        if "link" in bundle:
            changed["link"] = [self._inside(link, "url") for link in bundle["link"]]
        if "entry" in bundle:
            changed["entry"] = [self._entry(entry) for entry in bundle["entry"]]
        return changed

    def _entry(self, entry: dict[str, Any]) -> dict[str, Any]:
        changed = self._inside(entry, "fullUrl")
        if "response" in entry:
            changed["response"] = self._inside(entry["response"], "location")
        return changed

    def _inside(self, part: dict[str, Any], name: str) -> dict[str, Any]:
        return {**part, name: self.address(part[name])} if isinstance(part.get(name), str) else part
