"""The note in the making: assembled from the result, edited by the clinician, kept until signed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from smart_app.model.identity import User


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDraft:
    """Text of the note of one screening. ``edited`` is False while it is still what the app assembled."""

    screening_id: UUID
    text: str
    edited: bool
    updated_by: User
    updated_at: datetime
    version: int = 1

    def edit(self, text: str, by: User, at: datetime) -> Self:
        """Replace the text by the clinician's own."""
        return replace(self, text=text.replace("\r\n", "\n"), edited=True, updated_by=by, updated_at=at)
