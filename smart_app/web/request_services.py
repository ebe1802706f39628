"""Finds the app's parts from inside a request."""

from __future__ import annotations

from flask import current_app

from smart_app.services import Services
from smart_app.web.cookies import CookieRules
from smart_app.web.session_interface import LaunchSessionInterface


def services() -> Services:
    """Give the services of the app that answers this request."""
    found = current_app.extensions["smart_screening"]
    if not isinstance(found, Services):
        raise TypeError("the app was not made by create_app")
    return found


def cookie_rules() -> CookieRules:
    """Give the cookie rules of the app that answers this request."""
    interface = current_app.session_interface
    if not isinstance(interface, LaunchSessionInterface):
        raise TypeError("the app was not made by create_app")
    return interface.rules
