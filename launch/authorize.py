"""The way to the authorization endpoint (SMART App Launch 2.2, "Obtain authorization code"; RFC 6749 4.1.1).

EHR launch and standalone launch differ only in `launch` and in the scopes. PKCE S256 is always sent, also where the
EHR does not advertise it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from launch.discovery import SmartConfiguration, check_endpoints
from launch.ehr import Ehr
from launch.ehr_profile import ScopeVersion
from launch.errors import MissingIss, MissingLaunch, S256NotAdvertised
from launch.pkce import RandomBytes, build_code_challenge, new_secret
from launch.scopes import RequestedScope, spell_scopes
from launch.session import PENDING_LIFETIME, PendingLaunch


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What the EHR opened the launch URL with. `iss` is not yet known to be registered."""

    iss: str
    launch: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunLaunch:
    """Where to send the browser, and what to remember until it comes back."""

    authorize_url: str = field(repr=False)
    pending: PendingLaunch


def parse_launch_request(parameters: Mapping[str, Sequence[str]]) -> LaunchRequest:
    """Read the query of an EHR launch: name → all its values. Raises MissingIss, MissingLaunch."""
    iss, launch = parameters.get("iss", ()), parameters.get("launch", ())
    if len(iss) != 1 or not iss[0]:
        raise MissingIss(field="iss")
    if len(launch) != 1 or not launch[0]:
        raise MissingLaunch(field="launch")
    return LaunchRequest(iss=iss[0], launch=launch[0])


def begin_launch(
    *,
    ehr: Ehr,
    iss: str,
    launch: str | None,
    redirect_uri: str,
    scopes: Iterable[RequestedScope],
    configuration: SmartConfiguration,
    now: datetime,
    random: RandomBytes = secrets.token_bytes,
) -> BegunLaunch:
    """Build the authorization request of one launch.

    `iss` is the FHIR base exactly as it arrived (standalone: the registered one) and leaves as `aud`; `launch` None
    is a standalone launch; `redirect_uri` is the registered one, never from the request. The caller stores `pending`
    under its `state`, bound to the browser, for one use. Raises S256NotAdvertised, EndpointNotAllowed.
    """
    if ehr.require_s256_advertised and not configuration.supports_s256:
        raise S256NotAdvertised(ehr_id=ehr.id, field="code_challenge_methods_supported")
    check_endpoints(configuration, ehr)
    asked = tuple(scopes)
    state, nonce, code_verifier = new_secret(random), new_secret(random), new_secret(random)
    # `aud` keeps a token from being sent to a counterfeit resource server (SMART App Launch 2.2, "aud").
    authorize_url = prepare_grant_uri(
        configuration.authorization_endpoint,
        client_id=ehr.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=spell_scopes(asked, version=choose_scope_version(ehr, configuration)),
        state=state,
        launch=launch,
        aud=iss,
        nonce=nonce,
        code_challenge=build_code_challenge(code_verifier),
        code_challenge_method="S256",
    )
    pending = PendingLaunch(
        state=state,
        ehr_id=ehr.id,
        iss=iss,
        launch=launch,
        redirect_uri=redirect_uri,
        scopes_asked=asked,
        code_verifier=code_verifier,
        nonce=nonce,
        issuer=ehr.issuer or configuration.issuer,
        jwks_uri=configuration.jwks_uri if ehr.issuer in (None, configuration.issuer) else None,
        token_endpoint=configuration.token_endpoint,
        revocation_endpoint=_find_revocation_endpoint(configuration, ehr),
        created_at=now,
        expires_at=now + PENDING_LIFETIME,
    )
    return BegunLaunch(authorize_url=str(authorize_url), pending=pending)


def _find_revocation_endpoint(configuration: SmartConfiguration, ehr: Ehr) -> str | None:
    """Return a launch can do without: one on a foreign host is not used, and does not stop the launch."""
    url = configuration.revocation_endpoint
    return url if url is not None and ehr.allows_endpoint(url) else None


def choose_scope_version(ehr: Ehr, configuration: SmartConfiguration) -> Literal["v1", "v2"]:
    """Return v2 where discovery lists `permission-v2`, else v1, unless the vendor's profile fixes it."""
    if ehr.profile.scope_version is ScopeVersion.V1:
        return "v1"
    if ehr.profile.scope_version is ScopeVersion.V2 or "permission-v2" in configuration.capabilities:
        return "v2"
    return "v1"
