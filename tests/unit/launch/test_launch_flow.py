"""A launch from redirect to ActiveLaunch, over a real connection."""

from __future__ import annotations

from datetime import timedelta

from launch.transport import Transport
from tests.fakes.fake_ehr import NOW, FakeEhr
from tests.fakes.launches import complete


def test_complete_launch_gives_user_context_and_scopes(fake: FakeEhr, transport: Transport) -> None:
    active = complete(fake, transport)
    assert active.context.patient == "pat-1"
    assert active.context.encounter == "enc-1"
    assert active.user is not None
    assert (active.user.issuer, active.user.subject) == (fake.fhir_base_url, "user-1")
    assert active.user.fhir_user == "Practitioner/dr-1"
    assert active.scopes.allows("Observation", "s")
    assert active.missing_scopes.optional == ()
    assert active.tokens.expires_at == NOW + timedelta(hours=1)
    assert "access-1" not in repr(active)
