"""Safety rule 13 on the review page in Chromium: plan, notice and button are those of the choice that is ticked."""

from __future__ import annotations

import pytest

from tests.browser.desk import Desk, answers_of

pytestmark = pytest.mark.browser


def test_the_plan_follows_the_choice_that_is_ticked(desk: Desk) -> None:
    desk.launch("pt-09")
    desk.start("GAD-7")
    desk.answer(answers_of("gad7", [1, 2, 1, 0, 1, 2, 3]))
    desk.finish()
    plan, panel = desk.page.locator("#plan"), desk.page.locator("#sign-panel")
    assert plan.get_by_text("Write", exact=True).filter(visible=True).count() == 6
    assert "at once in the portal" in panel.inner_text()

    desk.page.get_by_label("Do not write it; keep it in this app").check()

    assert plan.get_by_text("Write", exact=True).filter(visible=True).count() == 0
    assert plan.get_by_text("Not written", exact=True).filter(visible=True).count() == 6
    assert "Nothing to the chart" in plan.inner_text()
    assert "Nothing is written, so that the portal shows nothing of it." in panel.inner_text()
    assert "at once in the portal" not in panel.inner_text()
    desk.page.get_by_role("button", name="Sign for Sørensen, Mary Katherine; nothing is written", exact=True).wait_for()
