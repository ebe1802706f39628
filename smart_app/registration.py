"""The registration sheet: what an EHR's IT needs to register the app (SMART App Launch 2.2, "Register App with EHR").

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr. Pure: the page and the command line
print the same sheet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from launch.ehr_profile import EhrProfile
from launch.scopes import Feature, RequestedScope, compute_scopes, spell_scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationSheet:
    """``facts`` are (label, value) pairs; ``scopes`` those of an EHR launch, each with its reason.

    ``departures``: where this vendor's rules depart from the standard, as (rule, value, source).
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    scopes: tuple[RequestedScope, ...]
    departures: tuple[tuple[str, str, str], ...] = ()


def build_registration_sheet(
    base_url: str, features: Iterable[Feature], *, profile: EhrProfile | None = None, extra_scopes: Iterable[str] = ()
) -> RegistrationSheet:
    """Make the sheet of an installation, for one vendor's EHR where ``profile`` is given."""
    base = base_url.rstrip("/")
    scopes = compute_scopes(features, extra=extra_scopes)
    facts = (
        ("Launch URL", f"{base}/launch"),
        ("Redirect URI", f"{base}/callback"),
        ("Standalone launch", f"{base}/standalone?iss=<FHIR base URL>"),
        ("JWK Set URL", f"{base}/.well-known/jwks.json"),
        ("FHIR version", "R4 (4.0.1)"),
        ("SMART App Launch", "2.2, scopes v2 with v1 fallback, PKCE S256 always"),
        ("Client authentication", "private_key_jwt (ES384 or RS384), client_secret_basic, or public"),
        ("Tokens", "stay on the server; offline_access is never asked for"),
        ("Scopes, v2", spell_scopes(scopes, version="v2")),
        ("Scopes, v1", spell_scopes(scopes, version="v1")),
    )
    title = "smart-screening: registration sheet" + ("" if profile is None else f" for {profile.title}")
    return RegistrationSheet(title=title, facts=facts, scopes=scopes, departures=_departures(profile))


def render_markdown(sheet: RegistrationSheet) -> str:
    """Give the sheet as Markdown, which also reads as plain text."""
    lines = [f"# {sheet.title}", ""]
    lines += [f"- {label}: `{value}`" for label, value in sheet.facts]
    lines += ["", "## Scopes, each with its reason", "", "| scope | why | without it |", "|---|---|---|"]
    for scope in sheet.scopes:
        without = "the app does not open" if scope.needed else "the app says what it cannot show or write"
        lines.append(f"| `{scope.scope}` | {scope.reason} | {without} |")
    if sheet.departures:
        lines += ["", "## What we know of this EHR", "", "| rule | value | source |", "|---|---|---|"]
        lines += [f"| {rule} | {value} | {source} |" for rule, value, source in sheet.departures]
    return "\n".join([*lines, ""])


def _departures(profile: EhrProfile | None) -> tuple[tuple[str, str, str], ...]:
    if profile is None:
        return ()
    return tuple(
        (rule.replace("_", " "), str(getattr(profile, rule)), f"{origin.source} ({origin.confidence})")
        for rule, origin in sorted(profile.origins.items())
        if origin.profile == profile.name
    )
