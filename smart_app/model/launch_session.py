"""The browser session of one launch, and its limits (design section 7, "Sessions")."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from smart_app.model.identity import PatientKey, User


class SessionStanding(StrEnum):
    """What a request on this session may do."""

    LIVE = "live"
    IDLE = "idle"
    OVER = "over"


NO_VISIT = ""
"""``LaunchSession.encounter_id`` when the clinician said that the result belongs to no visit; never a FHIR id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSession:
    """One launch of one patient. ``id`` stands in the URL and opens nothing; ``secret_hash`` is of the cookie's secret.

    ``launch`` is the ActiveLaunch as JSON (tokens inside: encrypted at rest), "" once its tokens are gone.
    ``framed`` tells that it began in an iframe (cookie attributes). ``encounter_id``: None where the launch had none
    and nobody has picked one, NO_VISIT where "none" was picked.
    """

    id: str
    secret_hash: str = field(repr=False)
    ehr_id: str
    patient: PatientKey
    user: User
    role_codes: tuple[str, ...]
    encounter_id: str | None
    launch: str = field(repr=False)
    framed: bool
    started_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None = None
    refresh_lease_until: datetime | None = None
    version: int = 1

    def standing(self, now: datetime, *, idle: timedelta, absolute: timedelta) -> SessionStanding:
        """Live; idle (may still save into its own form, shows nothing); or over."""
        if self.ended_at is not None or now - self.started_at >= absolute:
            return SessionStanding.OVER
        return SessionStanding.IDLE if now - self.last_seen_at >= idle else SessionStanding.LIVE

    def seen(self, now: datetime) -> Self:
        """Move the idle clock on."""
        return replace(self, last_seen_at=now)

    def end(self, now: datetime) -> Self:
        """End the browser session at once; the tokens are dealt with by the ledger's needs (design section 6)."""
        return replace(self, ended_at=self.ended_at or now)
