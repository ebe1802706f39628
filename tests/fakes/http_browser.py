"""A browser over real HTTP: cookies by path, Origin and Referer as browsers send them, pages without script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import lxml.html
import requests

from tests.fakes.clinic import PHQ9, code_of
from tests.functional.page_browser import Page
from tests.site import Site

ASSESSMENT = {
    "risk_level": "low, in my judgement",
    "reasons": "passive thoughts, no plan, no intent",
    "plan": "safety plan reviewed, call on Friday",
    "disposition": "home-with-plan",
}


class HttpBrowser:
    """One browser on one machine; any number of launches, each in its own tab, over one cookie store."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False

    def launch(self, patient: str = "pt-01", user: str = "prac-okafor", **more: str) -> Page:
        """Open the app from a chart, as far as it goes: the patient's overview, or the page of a refusal."""
        return self.get(self.site.launch_url(patient=patient, user=user, **more))

    def to_authorize(self, **more: str) -> str:
        """Go as far as the app's redirect to the EHR, and give its address."""
        ordered = self.session.get(self.site.launch_url(**more), allow_redirects=False, timeout=20)
        begun = self.session.get(ordered.headers["Location"], allow_redirects=False, timeout=20)
        assert begun.status_code == 302, begun.text
        return begun.headers["Location"]

    def to_callback(self, **more: str) -> str:
        """Go as far as the EHR's redirect back to the app, and give its address with ``code`` and ``state``."""
        authorized = self.session.get(self.to_authorize(**more), allow_redirects=False, timeout=20)
        return urljoin(self.site.ehr.base_url, authorized.headers["Location"])

    def get(self, address: str, *, follow: bool = True, **headers: str) -> Page:
        """Open an address of the app or, whole, of anyone."""
        target = urljoin(self.site.app_url, address)
        return self._page(self.session.get(target, allow_redirects=follow, headers=headers, timeout=60))

    def send(
        self, form: tuple[str, Mapping[str, Any]], *, follow: bool = True, headers: Mapping[str, str] | None = None
    ) -> Page:
        """Send a form; ``headers`` are laid over those of a page of the app, a value of "" leaves one out."""
        path, fields = form
        return self._page(
            self.session.post(
                urljoin(self.site.app_url, path),
                data=fields,
                headers=self._headers(headers or {}),
                allow_redirects=follow,
                timeout=60,
            )
        )

    def start(self, home: Page, instrument: str = "phq-9", **fields: str) -> Page:
        """Start an instrument with the site's usual settings, or with who and how as ``fields`` say.

        Where the age does not fit, go on knowingly.
        """
        values = fields or {"as": "default"}
        page = self.send((self.path(home, "screenings/new"), {**self.token(home), "instrument": instrument, **values}))
        if page.status == 200 and page.root.xpath('//input[@name="knowingly"]'):
            return self.send(page.form("/screenings/new", knowingly="yes"))
        return page

    def fill(self, form: Page, *weights: int, do: str = "hand-in", **fields: str) -> Page:
        """Answer the items of a form by weight, in order, and send the whole form."""
        chosen = {f"item.{link_id}": code_of(link_id, weight) for link_id, weight in zip(PHQ9, weights, strict=False)}
        if any(weights):
            chosen["item.phq9-10"] = code_of("phq9-10", 1)
        return self.send(form.form("/form", do=do, **chosen, **fields))

    def give(self, home: Page, *weights: int) -> Page:
        """Start, answer all nine items and hand in: the review page."""
        review = self.fill(self.start(home), *weights)
        assert review.url.endswith("/review"), review.text
        return review

    def save(self, form: Page, link_id: str, weight: int | str, **values: Any) -> requests.Response:
        """Save one answer as the page's script does; ``weight`` may be any text in place of an option's code."""
        fields = dict(form.root.get_element_by_id("form").form_values())
        device = values.pop("device", fields["device"])
        answer = {
            "link_id": link_id,
            "status": "answered",
            "code": weight if isinstance(weight, str) else code_of(link_id, weight),
            "sequence": 1,
            "seen_version": 0,
        }
        return self.save_json(form, {"device": device, "answers": [answer | values]})

    def save_json(self, form: Page, body: Any) -> requests.Response:
        """Send any JSON to the address that saves answers of a form."""
        element = form.root.get_element_by_id("form")
        token = dict(element.form_values())["csrf_token"]
        return self.session.post(
            urljoin(self.site.app_url, element.get("data-save")),
            json=body,
            headers=self._headers({"Accept": "application/json", "X-CSRFToken": token}),
            timeout=60,
        )

    def close_alert(self, page: Page, **fields: str) -> Page:
        """Close the alert of a page with the clinician's own words."""
        return self.send(page.form("/close", **{**ASSESSMENT, **fields}))

    def path(self, page: Page, rest: str = "") -> str:
        """Give an address of the launch that a page belongs to."""
        return f"/launches/{launch_id_of(page)}/{rest}"

    def token(self, page: Page) -> dict[str, str]:
        """Give the CSRF field of a page."""
        found = page.root.xpath('//input[@name="csrf_token"]/@value')
        return {"csrf_token": found[0]}

    def launch_cookie(self, page: Page) -> str:
        """Give the secret that this browser holds for the launch of a page."""
        path = self.path(page)
        return next(cookie.value or "" for cookie in self.session.cookies if cookie.path == path)

    def drop_cookie(self, page: Page) -> None:
        """Lose the cookie of the launch of a page."""
        self.session.cookies.clear(urlsplit(self.site.app_url).hostname or "", self.path(page))

    def _headers(self, laid_over: Mapping[str, str]) -> dict[str, str]:
        usual = {"Origin": self.site.app_url, "Referer": f"{self.site.app_url}/"}
        return {name: value for name, value in {**usual, **laid_over}.items() if value}

    def _page(self, answer: requests.Response) -> Page:
        text = answer.text
        root = lxml.html.fromstring(text if "<" in text else "<p></p>")
        return Page(status=answer.status_code, url=answer.url, text=text, headers=answer.headers, root=root)


def launch_id_of(page: Page) -> str:
    """Give the launch id in a page's address."""
    parts = urlsplit(page.url).path.split("/")
    assert parts[1] == "launches", page.url
    return parts[2]


def words_of(page: Page) -> str:
    """Give all visible text of a page, spaces folded."""
    return " ".join(page.root.text_content().split())


def code_shown(page: Page) -> str:
    """Give the stable code of an error page."""
    return _fact(page, "Code")


def correlation_shown(page: Page) -> str:
    """Give the correlation id of an error page."""
    return _fact(page, "Correlation id")


def _fact(page: Page, name: str) -> str:
    found = page.root.xpath(f'//dt[.="{name}"]/following-sibling::dd[1]/text()')
    assert len(found) == 1, f"no {name} on {page.url}: {page.text}"
    return str(found[0])


def screening_id_of(page: Page) -> str:
    """Give the screening id in a page's address."""
    parts = urlsplit(page.url).path.split("/")
    return parts[parts.index("screenings") + 1]
