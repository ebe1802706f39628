"""The stale-context guard: is what was signed still true, by what the EHR says now (safety rule 2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardStop:
    """Why nothing is sent now: a stable code, what happened, what to do. ``transient``: trying again may help."""

    code: str
    title: str
    remedy: str
    transient: bool = False
