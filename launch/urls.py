"""FHIR base URLs, addresses below them, and references (FHIR R4 http "Service Base URL"; references; datatypes "id").

Comparison is by parsed scheme, authority and path segments, never by substring: `https://ehr.example/r4evil` is not
below `https://ehr.example/r4`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}")
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7F\\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidUrl(ValueError):
    """Not an absolute http(s) URL that we would call. The URL itself is not part of the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A literal reference on this EHR: type, id and, when versioned, the version."""

    resource_type: str
    id: str
    version_id: str | None = None

    def __str__(self) -> str:
        return f"{self.resource_type}/{self.id}"


def is_fhir_id(text: str) -> bool:
    """Whether `text` has the form of a FHIR id: 1 to 64 of letters, digits, `-` and `.`, and is not a dot segment."""
    return _ID.fullmatch(text) is not None and text not in {".", ".."}


def is_resource_type(text: str) -> bool:
    """Whether `text` has the form of a resource type name."""
    return _TYPE.fullmatch(text) is not None


def split_http_url(url: str) -> SplitResult:
    """Split an absolute http(s) URL; user name, fragment, control character or backslash raise InvalidUrl."""
    if _NOT_IN_A_URL.search(url):
        raise InvalidUrl("has characters that a URL cannot have")
    try:
        parts = urlsplit(url)
        port_is_number = parts.port is None or parts.port > 0
    except ValueError as exc:
        raise InvalidUrl("cannot be split") from exc
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not port_is_number:
        raise InvalidUrl("is not an absolute http or https URL")
    if "@" in parts.netloc or "#" in url:
        raise InvalidUrl("has a user name or a fragment")
    return parts


def host_and_port(url: str) -> tuple[str, int]:
    """Lower-case host and the port, the scheme's own where none is written. Raises InvalidUrl."""
    parts = split_http_url(url)
    return (parts.hostname or "").rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme]


def normalize_base_url(url: str) -> str:
    """Return the form in which two base URLs are compared: lower-case host, no default port, no trailing slash.

    The path keeps its case. Raises InvalidUrl, also for a query.
    """
    parts = split_http_url(url)
    if "?" in url:
        raise InvalidUrl("has a query")
    host, port = host_and_port(url)
    authority = f"[{host}]" if ":" in host else host
    if port != _DEFAULT_PORTS[parts.scheme]:
        authority = f"{authority}:{port}"
    return f"{parts.scheme}://{authority}{parts.path.rstrip('/')}"


def resolve_url(base: str, url: str) -> str:
    """`url`, or where it is relative, `url` below the FHIR base (older servers give such endpoints)."""
    # urljoin would read "https:///x" and "https://" as relative.
    return url if _SCHEME.match(url) else urljoin(base.rstrip("/") + "/", url)


def is_below(base: str, url: str) -> bool:
    """Whether `url` is the FHIR base itself (a query allowed) or a path below it, on the same scheme, host and port."""
    try:
        base_parts, parts = split_http_url(base), split_http_url(url)
        if parts.scheme != base_parts.scheme or host_and_port(base) != host_and_port(url):
            return False
    except InvalidUrl:
        return False
    path, root = parts.path.rstrip("/"), base_parts.path.rstrip("/")
    if path != root and not path.startswith(f"{root}/"):
        return False
    segments = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").split("/")
    return "." not in segments and ".." not in segments


def find_reference(text: str, *, fhir_base_url: str) -> Reference | None:
    """Read `Type/id` or an absolute URL below the base, with or without `/_history/version`; else None.

    Used for `Location`, for `fhirUser` and for references. A reference to another host is None: it is not to be
    followed.
    """
    path = text
    if _SCHEME.match(text):
        if not is_below(fhir_base_url, text) or "?" in text:
            return None
        path = urlsplit(text).path[len(urlsplit(fhir_base_url).path.rstrip("/")) :]
    elif text.startswith("//"):
        return None
    else:
        root = urlsplit(fhir_base_url).path.rstrip("/")
        if root and text.startswith(f"{root}/"):
            path = text[len(root) :]
    segments = path.strip("/").split("/") if not path.startswith("//") else []
    version: str | None = None
    if len(segments) == 4 and segments[2] == "_history":
        version = segments[3]
        segments = segments[:2]
        if not is_fhir_id(version):
            return None
    if len(segments) != 2 or not is_resource_type(segments[0]) or not is_fhir_id(segments[1]):
        return None
    return Reference(resource_type=segments[0], id=segments[1], version_id=version)
