"""A browser without script: follows the pages of the app, fills their forms, holds their cookies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import lxml.html
import requests
from flask import Flask

from tests.fakes.clinic import BASE_URL, OKAFOR, Clinic


@dataclass(slots=True)
class Page:
    """One answer, parsed."""

    status: int
    url: str
    text: str
    headers: Any
    root: Any = field(repr=False)

    def form(self, action_ends: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        """Give address and fields of a form as a browser would send it, with ``fields`` laid over them."""
        found = [form for form in self.root.forms if form.action.split("?")[0].endswith(action_ends)]
        assert found, f"no form to {action_ends} on {self.url}"
        values: dict[str, Any] = {}
        for name, value in found[0].form_values():
            values.setdefault(name, value)
        return found[0].action, values | fields

    def words(self, selector: str) -> str:
        """Give the text of the first element of that id."""
        return " ".join(self.root.get_element_by_id(selector).text_content().split())


class PageBrowser:
    """One browser. Each launch keeps to its own path; several can be open at once."""

    def __init__(self, app: Flask, clinic: Clinic) -> None:
        self.clinic = clinic
        self.client = app.test_client()

    def launch(self, patient: str = "pt-01", user: str = OKAFOR, **parameters: str) -> Page:
        """Open the app from a chart of the EHR, as the user sees it: the overview of that patient."""
        query = {"client": "smart-screening", "patient": patient, "user": user, **parameters}
        sandbox = self.clinic.sandbox.base_url
        ordered = requests.get(f"{sandbox}/launch", params=query, allow_redirects=False, timeout=10)
        arrived = parse_qs(urlsplit(ordered.headers["Location"]).query)
        begun = self.get(f"/launch?iss={arrived['iss'][0]}&launch={arrived['launch'][0]}", follow=False)
        assert begun.status == 302, begun.text
        back = requests.get(begun.headers["Location"], allow_redirects=False, timeout=10)
        returned = urlsplit(back.headers["Location"])
        return self.get(f"{returned.path}?{returned.query}")

    def get(self, path: str, *, follow: bool = True, **headers: str) -> Page:
        """Open an address."""
        return self._page(self.client.get(path, base_url=BASE_URL, follow_redirects=follow, headers=headers))

    def send(self, form: tuple[str, dict[str, Any]], *, follow: bool = True) -> Page:
        """Send a form."""
        path, fields = form
        headers = {"Origin": BASE_URL, "Referer": f"{BASE_URL}/"}
        return self._page(
            self.client.post(path, data=fields, base_url=BASE_URL, headers=headers, follow_redirects=follow)
        )

    def save(self, page: Page, answers: list[dict[str, Any]], device: str | None = None) -> Any:
        """Save answers as the page's script does; ``page`` is the form."""
        form = page.root.get_element_by_id("form")
        fields = dict(form.form_values())
        headers = {
            "Origin": BASE_URL,
            "Referer": f"{BASE_URL}/",
            "Accept": "application/json",
            "X-CSRFToken": fields["csrf_token"],
        }
        body = {"device": device or fields["device"], "answers": answers}
        return self.client.post(form.get("data-save"), json=body, base_url=BASE_URL, headers=headers)

    def _page(self, answer: Any) -> Page:
        text = answer.get_data(as_text=True)
        root = lxml.html.fromstring(text or "<p></p>")
        return Page(status=answer.status_code, url=answer.request.path, text=text, headers=answer.headers, root=root)
