"""From the EHR to a session and back: begin, finish, open, refresh, end (SMART App Launch 2.2; design section 7)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunLaunch:
    """Where to send the browser. ``binding`` goes into the cookie whose name derives from ``state``."""

    authorize_url: str = field(repr=False)
    state: str = field(repr=False)
    binding: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedLaunch:
    """A session that has begun. ``secret`` goes into the cookie of ``/launches/<launch_id>/`` and nowhere else."""

    launch_id: str
    secret: str = field(repr=False)
    framed: bool
    ehr_id: str
    instrument_id: str | None
