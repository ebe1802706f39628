"""The pages: a blueprint per audience, one session interface, one set of headers. Parse, call a use case, render."""

from smart_app.web.app import WebOptions, create_app

__all__ = ["WebOptions", "create_app"]
