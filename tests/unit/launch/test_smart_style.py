"""The EHR's style: only what has the form of its name gets through."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.documents import DocumentCache
from launch.errors import EndpointNotAllowed
from launch.smart_style import fetch_smart_style, parse_smart_style
from launch.transport import Transport
from tests.fakes.fake_ehr import NOW, Answer, FakeEhr

STYLE: dict[str, str] = {
    "color_background": "#edeae3",
    "color_error": "#9e2d2d",
    "color_highlight": "rgb(105, 183, 206)",
    "color_modal_backdrop": "rgba(0,0,0,0.5)",
    "color_success": "#498e49",
    "color_text": "#303030",
    "dim_border_radius": "6px",
    "dim_font_size": "13px",
    "dim_spacing_size": "1.25rem",
    "font_family_body": "Georgia, Times, 'Times New Roman', serif",
    "font_family_heading": "'HelveticaNeue-Light', Helvetica, Arial, sans-serif",
}


def parse(values: object) -> dict[str, str]:
    return parse_smart_style(json.dumps(values).encode())


def test_every_value_of_the_guide_is_kept() -> None:
    assert parse(STYLE) == STYLE


@pytest.mark.parametrize("name", STYLE)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "red;}",
        "url(https://evil.example)",
        "expression(1)",
        "#12345",
        "1px;",
        "</style>",
        "a\\b",
        "x{",
        7,
        None,
        ["#fff"],
        "A" * 500,
    ],
)
def test_value_without_the_form_of_its_name_is_left_out(name: str, value: Any) -> None:
    rest = {other: value for other, value in STYLE.items() if other != name}
    assert parse({**STYLE, name: value}) == rest


@given(st.sampled_from(sorted(STYLE)), st.text())
def test_no_value_can_leave_its_declaration(name: str, value: str) -> None:
    assert not set("".join(parse({name: value}).values())) & set(';{}<>\\/@:"*\n')


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
def test_what_is_not_a_style_is_no_style(body: bytes) -> None:
    assert parse_smart_style(body) == {}


def test_cache_stays_small_whatever_addresses_an_ehr_names(
    fake: FakeEhr, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launch.documents._MOST_ENTRIES", 2)
    cache = DocumentCache()
    for minute, name in enumerate(("a", "b", "c", "c", "b", "a")):
        fetch_smart_style(f"{fake.origin}/{name}", transport, cache, NOW + timedelta(seconds=minute))
    assert [request.path for request in fake.requests] == ["/a", "/b", "/c", "/a"]


def test_style_is_fetched_once_and_only_from_an_allowed_host(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/style/v1.json", Answer.json(STYLE))
    cache = DocumentCache()
    for _ in range(2):
        assert fetch_smart_style(f"{fake.origin}/style/v1.json", transport, cache, NOW) == STYLE
    assert fetch_smart_style(f"{fake.origin}/missing.json", transport, cache, NOW) == {}
    with pytest.raises(EndpointNotAllowed):
        fetch_smart_style("https://evil.example/style.json", transport, cache, NOW)
    assert len(fake.requests) == 2
