"""The smallest valid launch, pending and active; a test overrides only what it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from launch.authorize import BegunLaunch, begin_launch
from launch.callback import complete_launch
from launch.context import LaunchContext
from launch.discovery import SmartConfiguration, parse_smart_configuration
from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.scopes import Feature, MissingScopes, Scopes, compute_scopes
from launch.session import ActiveLaunch, PendingLaunch, TokenSet
from launch.signing_keys import SigningKeys
from launch.transport import Transport
from tests.fakes.fake_ehr import NOW, REDIRECT_URI, FakeEhr

SIGNING_KEYS = SigningKeys.generate(NOW - timedelta(days=1))


def counting_bytes() -> Any:
    """A source of "random" bytes that differs at each call and repeats over runs."""
    calls = iter(range(256))
    return lambda count: bytes([next(calls)]) * count


def configuration_of(fake: FakeEhr, **overrides: Any) -> SmartConfiguration:
    """The fake's SMART configuration, read."""
    body = json.dumps({**fake.configuration(), **overrides}).encode()
    return parse_smart_configuration(body, fhir_base_url=fake.fhir_base_url)


def begin(fake: FakeEhr, ehr: Ehr, **overrides: Any) -> BegunLaunch:
    """An EHR launch as far as the redirect."""
    values: dict[str, Any] = {
        "ehr": ehr,
        "iss": fake.fhir_base_url,
        "launch": "launch-1",
        "redirect_uri": REDIRECT_URI,
        "scopes": compute_scopes([Feature.BASE]),
        "configuration": configuration_of(fake),
        "now": NOW,
        "random": counting_bytes(),
    }
    return begin_launch(**{**values, **overrides})


def pending_launch(fake: FakeEhr, **overrides: Any) -> PendingLaunch:
    """A launch that waits for its callback; the fake EHR knows of it."""
    begun = begin(fake, fake.ehr())
    fake.authorize(begun.authorize_url)
    return replace(begun.pending, **overrides)


def active_launch(fake: FakeEhr, **overrides: Any) -> ActiveLaunch:
    """An authorized launch for patient pat-1."""
    values: dict[str, Any] = {
        "ehr_id": "fake",
        "fhir_base_url": fake.fhir_base_url,
        "context": LaunchContext(patient="pat-1", encounter="enc-1"),
        "scopes": Scopes.parse("patient/*.cruds"),
        "missing_scopes": MissingScopes(),
        "tokens": TokenSet(access_token="access-1", refresh_token="refresh-1", expires_at=NOW + timedelta(hours=1)),
        "user": None,
        "token_endpoint": fake.token_endpoint,
        "revocation_endpoint": f"{fake.origin}/auth/revoke",
        "started_at": NOW,
    }
    return ActiveLaunch(**{**values, **overrides})


def complete(fake: FakeEhr, transport: Transport, **overrides: Any) -> ActiveLaunch:
    """A launch from redirect to ActiveLaunch against the fake."""
    ehr = transport.ehr
    begun = begin(fake, ehr)
    values: dict[str, Any] = {
        "ehr": ehr,
        "transport": transport,
        "keys": SIGNING_KEYS,
        "jwks_cache": DocumentCache(),
        "now": NOW,
    }
    parameters = overrides.pop("parameters", None) or fake.authorize(begun.authorize_url)
    pending = overrides.pop("pending", begun.pending)
    return complete_launch(parameters, pending, **{**values, **overrides})
