"""A web app over use cases that answer from samples, and a browser in which the launch is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from smart_app.screening import workflow
from smart_app.screening.errors import LaunchNotOpen
from smart_app.services import Acting, Services
from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import ANSWERS, SECRET, Browser, Calls, acting, make_app


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Put answers from samples in the place of every use case; an answer that is an exception is raised."""
    calls = Calls()

    def put(name: str) -> Callable[..., Any]:
        def use_case(_app: Services, *args: Any, **more: Any) -> Any:
            calls.made.append((name, tuple(a for a in args if not isinstance(a, Acting)), more))
            answer = calls.answers.get(name, ANSWERS[name])
            if isinstance(answer, Exception):
                raise answer
            return answer

        return use_case

    for name in ANSWERS:
        monkeypatch.setattr(workflow, name, put(name))

    def open_session(_app: Services, launch_id: str, secret: str | None, *, correlation_id: str) -> Acting:
        if secret != SECRET or launch_id != samples.LAUNCH_ID:
            raise LaunchNotOpen
        answer = calls.answers.get("open_session")
        if isinstance(answer, Exception):
            raise answer
        return acting(calls.standing, correlation_id)

    monkeypatch.setattr(workflow, "open_session", open_session)
    return calls


@pytest.fixture
def app(calls: Calls) -> Flask:
    """The app on https."""
    return make_app()


@pytest.fixture
def browser(app: Flask) -> Browser:
    """A browser in which the launch is open."""
    return Browser(app)
