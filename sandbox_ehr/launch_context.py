"""What a launch is about, and the opaque `launch` ids that stand for it.

Source: SMART App Launch 2.2, launch context,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox_ehr.accounts import Account
from sandbox_ehr.fhir_request import Clock

LAUNCH_LIFETIME = timedelta(hours=1)
"""Long enough for a person to read what the app shows first; real EHRs use minutes to a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchContext:
    """What was picked at the launcher, or at the pickers of a standalone launch.

    patient, encounter: logical ids. user: None until someone has logged in. fhir_context: as it goes into the token
    response.
    withheld: scopes left out of the grant (see scope_grant). simulated_error: a key of SIMULATED_ERRORS.
    """

    patient: str | None = None
    encounter: str | None = None
    user: Account | None = None
    need_patient_banner: bool = True
    intent: str | None = None
    tenant: str | None = None
    fhir_context: tuple[dict[str, Any], ...] = ()
    app_context: str | None = None
    login: bool = False
    withheld: tuple[str, ...] = ()
    simulated_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedLaunch:
    """One launch id: the context it stands for, for which client and at which FHIR base."""

    context: LaunchContext
    client_id: str
    fhir_base_url: str
    expires: datetime


class IssuedLaunches:
    """The launch ids given out and not yet spent; each serves one successful authorization."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._launches: dict[str, IssuedLaunch] = {}
        self._lock = threading.Lock()

    def issue(self, context: LaunchContext, *, client_id: str, fhir_base_url: str) -> str:
        """Give a new launch id: 64 hexadecimal digits that say nothing of what they stand for."""
        launch = secrets.token_hex(32)
        now = self._clock()
        issued = IssuedLaunch(
            context=context, client_id=client_id, fhir_base_url=fhir_base_url, expires=now + LAUNCH_LIFETIME
        )
        with self._lock:
            self._launches = {key: entry for key, entry in self._launches.items() if entry.expires > now}
            self._launches[launch] = issued
        return launch

    def find(self, launch: str) -> IssuedLaunch | None:
        """Give what an unspent id stands for, or None."""
        with self._lock:
            issued = self._launches.get(launch)
        return issued if issued is not None and issued.expires > self._clock() else None

    def spend(self, launch: str) -> bool:
        """Use up an id; tell whether it was still there."""
        with self._lock:
            return self._launches.pop(launch, None) is not None
