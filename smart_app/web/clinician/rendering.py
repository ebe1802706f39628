"""Renders a page of a patient, and keeps what was typed into a refused form for the page that comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from flask import g, render_template, request
from werkzeug.datastructures import MultiDict

from smart_app.errors import AppError
from smart_app.screening.views import Frame

_DONE = {
    "note": "The note is saved.",
    "renewed": "The note is again what the app makes of the result.",
    "comment": "The comment is saved.",
    "stopped": "The form is stopped. Its answers and alerts are kept.",
    "rejected": "The result is rejected; nothing was written. Its answers and alerts are kept.",
    "saved": "Your answers are saved. The form waits here as a draft.",
    "visit": "The visit is chosen.",
    "alert": "Recorded, with your name and the time.",
}


class FramedView(Protocol):
    """Any view of a page that a frame surrounds."""

    @property
    def frame(self) -> Frame:
        """What surrounds the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedAlert:
    """What was typed into one form of one alert, and why it was refused."""

    verb: str = ""
    problem: AppError | None = None
    fields: MultiDict[str, str] = field(default_factory=MultiDict)

    def get(self, name: str, default: str = "") -> str:
        """Give a field's text."""
        return self.fields.get(name, default)

    def getlist(self, name: str) -> list[str]:
        """Give every value of a field."""
        return self.fields.getlist(name)


def render_page(template: str, view: FramedView, **more: Any) -> str:
    """Render a page of a patient; ``?done=`` names a sentence of ours, never text from outside."""
    values: dict[str, Any] = {
        "flashed": _DONE.get(request.args.get("done", "")),
        "problem": None,
        "typed": MultiDict(),
        "other_alerts": (),
        "current": "",
    }
    return render_template(template, view=view, **(values | more))


def keep_typed(alert_id: UUID, verb: str, problem: AppError) -> None:
    """Keep a refused alert form for the page that is rendered next."""
    g.typed_alert = (str(alert_id), TypedAlert(verb=verb, problem=problem, fields=request.form.copy()))


def typed_for(alert_id: str) -> TypedAlert:
    """Give what was typed into that alert's form, or nothing."""
    kept_id, typed = g.get("typed_alert", ("", TypedAlert()))
    return typed if kept_id == alert_id else TypedAlert()
