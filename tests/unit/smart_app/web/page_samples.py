"""Views as the use cases give them, for a synthetic patient: the pages are rendered from these without any store."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from smart_app.library import load_library
from smart_app.model.rights import Right
from smart_app.screening import review_views as rv
from smart_app.screening import unfinished as un
from smart_app.screening import views as v

LAUNCH_ID = "launch-1"
SCREENING = UUID("11111111-1111-4111-8111-111111111111")
ALERT = UUID("22222222-2222-4222-8222-222222222222")
PHQ9 = load_library().find("phq-9")
assert PHQ9 is not None

STRIP = v.AlertStrip(
    alert_id=ALERT,
    screening_id=SCREENING,
    title="Risk answer, PHQ-9 item 9.",
    text="Several days, today 10:38. Open for 14 min; no action recorded.",
    handed_over=False,
)
FRAME = v.Frame(
    launch_id=LAUNCH_ID,
    banner=v.Banner(
        name="Nguyễn-O'Brien, Zoë",
        born="14 Mar 1986 (40 y)",
        sex="Female",
        mrn="00482913",
        visit="Outpatient, today 10:30",
    ),
    user_name="Miriam Okafor, MD",
    ehr_name="Sandbox EHR",
    is_test=True,
    alerts=(STRIP,),
    rights=frozenset(Right),
)
CALM = replace(FRAME, alerts=())

HOME = v.HomeView(
    frame=FRAME,
    unfinished=(
        v.WorkItem(
            screening_id=SCREENING,
            kind="review",
            title="PHQ-9, completed today 10:38",
            detail="Not signed, not in the chart; waits for the risk action",
            action="Review and sign",
        ),
        v.WorkItem(
            screening_id=SCREENING,
            kind="draft",
            title="GAD-7, 4 of 7 answered",
            detail="Draft, saved today 10:41",
            action="Continue",
        ),
        v.WorkItem(
            screening_id=SCREENING,
            kind="unwritten",
            title="PHQ-9 of 9 Nov, 1 of 14 items not known",
            detail="Sent, not known yet whether the chart has it",
            action="See outcome",
        ),
    ),
    due=(
        v.DueItem(
            instrument_id="gad-7",
            short_name="GAD-7",
            title="Generalized Anxiety Disorder 7 item",
            due=True,
            reason="PHQ-9 was positive today.",
            source="Kroenke K et al. 2003",
            suicide_notice="Suicide not asked.",
            key="1",
        ),
        v.DueItem(
            instrument_id="phq-9",
            short_name="PHQ-9",
            title="Patient Health Questionnaire 9 item",
            due=False,
            reason="Last on 12 Oct 2026.",
            source="",
            suicide_notice="",
            key="2",
        ),
    ),
    told_beforehand="",
)
HISTORY = v.HistoryView(
    frame=FRAME,
    rows=(
        v.ResultRow(
            instrument_id="phq-9",
            short_name="PHQ-9",
            when="12 Oct 2026",
            value="10",
            of="27",
            band=v.BandMark(label="Moderate range", level=3),
            screen="Screens positive",
            mark="",
            badge="Worsening",
            change="+3 since 2 Sep 2026",
            screening_id=None,
            trend=(v.TrendPoint(x=4, y=30, words="2 Sep 2026: 7"), v.TrendPoint(x=96, y=60, words="12 Oct 2026: 10")),
        ),
        v.ResultRow(
            instrument_id="gad-7",
            short_name="GAD-7",
            when="2 Nov 2026",
            value=None,
            of="",
            band=None,
            screen="Not known: 2 not answered",
            mark="",
            badge=None,
            change="not known",
            screening_id=SCREENING,
            trend=(),
        ),
    ),
    results=(
        v.EarlierResult(
            short_name="PHQ-9",
            when="2 Sep 2026",
            value="7 of 27",
            band="Mild range",
            origin="the chart",
            screening_id=None,
        ),
    ),
    notices=("Some earlier results could not be read: the EHR ended the list early.",),
)
START = v.StartView(
    frame=CALM,
    instrument_id="phq-9",
    short_name="PHQ-9",
    title="Patient Health Questionnaire 9 item",
    informants=(
        v.Choice(value="patient", label="The patient", chosen=True),
        v.Choice(value="proxy", label="Someone for the patient"),
        v.Choice(value="assisted", label="The patient, with help"),
    ),
    modes=(
        v.Choice(value="interview", label="I ask the questions", chosen=True),
        v.Choice(value="paper", label="On paper, entered now"),
        v.Choice(value="telephone", label="By telephone"),
    ),
    languages=(v.Choice(value="en", label="English", chosen=True),),
    draft_id=None,
    draft="",
    warnings=(),
    asks_knowingly=False,
    asks_deceased=False,
)
FORM = v.FormView(
    frame=CALM,
    screening_id=SCREENING,
    instrument_id="phq-9",
    short_name="PHQ-9",
    title="Patient Health Questionnaire 9 item",
    instruction=PHQ9.instruction,
    warnings=(),
    licence=(PHQ9.attribution, PHQ9.loinc_notice),
    language="en",
    giving="Answered by the patient, asked by Miriam Okafor, MD",
    device="device-1",
    sequence=0,
    items=tuple(
        v.ItemView(
            link_id=item.link_id,
            number=item.number,
            text=item.text,
            options=tuple(
                v.OptionView(
                    code=option.coding.code,
                    label=option.text,
                    points=str(option.weight) if item.scored else "",
                    chosen=place < 2 and at == 1,
                )
                for at, option in enumerate(item.options)
            ),
            may_decline=item.may_decline,
            status="answered" if place < 2 else "blank",
            saved="Saved 10:33" if place < 2 else "Not answered",
            version=1 if place < 2 else 0,
            enabled=True,
            scored=item.scored,
            unscored_heading="" if item.scored else "Not part of the score",
        )
        for place, item in enumerate(PHQ9.items)
    ),
    answered=2,
    count=10,
    progress="2 of 10 answered",
    total="",
    risk_notice="",
)
REFUSED_FORM = replace(
    FORM,
    risk_notice="Risk answer on question 9: an alert is open. Stay with the patient.",
    missing=(
        v.Missing(link_id="phq9-4", number="4", text="Feeling tired or having little energy", risk=False),
        v.Missing(link_id="phq9-9", number="9", text="Thoughts that you would be better off dead", risk=True),
    ),
    differences=(
        v.Difference(
            link_id="phq9-2",
            number="2",
            text="Feeling down, depressed, or hopeless",
            posted_code="LA6570-1",
            posted="More than half the days",
            saved_code="LA6569-3",
            saved="Several days, saved 10:40 by Sam Lee",
            saved_version=3,
        ),
    ),
)
ALERT_VIEW = rv.AlertView(
    alert_id=ALERT,
    screening_id=SCREENING,
    title="Risk answer: action needed in this visit",
    item="Item 9, Thoughts that you would be better off dead or of hurting yourself in some way",
    answers=("Several days, today 10:38, entered by Miriam Okafor, MD",),
    rule="Rule: any answer above “Not at all”. Source: PHQ-9 instruction manual.",
    level="",
    action="Ask about thoughts, plan, intent and means before the patient leaves.",
    state="open",
    state_words="Open for 14 min",
    steps=(),
    result_page="review",
    is_open=True,
    blocks_signing=True,
    may_act=True,
    may_close=True,
    done=(
        v.Choice(value="assessed", label="Assessed suicide risk in person"),
        v.Choice(value="plan", label="Made or reviewed the safety plan"),
        v.Choice(value="crisis", label="Gave crisis contacts"),
        v.Choice(value="emergency", label="Arranged emergency care"),
    ),
    dispositions=(
        v.Choice(value="home-with-plan", label="Home, with a plan"),
        v.Choice(value="left", label="Left before the assessment"),
    ),
    answer_options=(v.Choice(value="LA6568-5", label="Not at all"), v.Choice(value="LA6569-3", label="Several days")),
)
CLOSED_ALERT = replace(
    ALERT_VIEW,
    title="Risk answer: action recorded",
    state="closed",
    state_words="Closed by Miriam Okafor, MD, today 10:46",
    is_open=False,
    blocks_signing=False,
    steps=(
        rv.AlertStep(
            title="Closed",
            when="today 10:46, Miriam Okafor, MD",
            lines=("Risk level: low, passive thoughts", "Plan: call on Wednesday"),
        ),
    ),
)
REVIEW = rv.ReviewView(
    frame=FRAME,
    screening_id=SCREENING,
    instrument_id="phq-9",
    title="Review and sign: PHQ-9",
    subtitle="Answered by the patient, asked by Miriam Okafor, MD, today 10:38. Nothing has been sent to the chart.",
    scores=(
        rv.ScoreView(
            id="phq-9-total",
            label="Total",
            value="13",
            of="27",
            is_level=False,
            figure="13",
            band=v.BandMark(label="Moderate range", level=3),
            unbanded="",
            screen="Screens positive: cut-off 10",
            completeness="All 9 items answered.",
            rule="",
            action="",
            ruler=rv.Ruler(
                segments=tuple(
                    rv.RulerSegment(label=label, level=level, start=start, width=width, holds_score=level == 3)
                    for label, level, start, width in (
                        ("Minimal", 1, 0, 17.86),
                        ("Mild", 2, 17.86, 17.86),
                        ("Moderate", 3, 35.71, 17.86),
                        ("Moderately severe", 4, 53.57, 17.86),
                        ("Severe", 5, 71.43, 28.57),
                    )
                ),
                low=48.21,
                high=48.21,
                cutoff=35.71,
                words="Severity scale 0 to 27. Now 13, moderate range. Cut-off 10.",
            ),
            changes=(
                rv.ChangeView(
                    heading="Since last time, 12 Oct 2026 (10)",
                    badge="no-reliable-change",
                    badge_label="No reliable change",
                    words="+3 points.",
                    figure="From 6 points; NHS Talking Therapies manual",
                    figures=("No reliable change (from 6 points; NHS Talking Therapies manual)",),
                ),
            ),
        ),
    ),
    advice=(),
    next_instruments=(),
    change_notices=("No judgement while the alert is open.",),
    alerts=(ALERT_VIEW,),
    suicide_notice="",
    answers=tuple(
        rv.AnswerRow(
            link_id=item.link_id,
            number=item.number,
            text=item.text,
            points="1" if item.scored else "",
            answer="Several days" if item.scored else "Somewhat difficult",
            status="answered",
            notable=item.risk,
            risk=item.risk,
            scored=item.scored,
            direction="up" if item.risk else "same",
            change="+1" if item.risk else "0",
            earlier=("Not at all, today 10:36, changed 10:38",) if item.risk else (),
        )
        for item in PHQ9.items
    ),
    comment="",
    note=rv.NoteView(
        text="PHQ-9, 24 Nov 2026 10:38, answered by the patient.\nTotal 13 of 27, moderate range.\n",
        edited=False,
        version=0,
        saved="Made from the result; not edited",
        problems=(),
    ),
    plans=(
        rv.PlanView(
            choice="write",
            lines=(
                rv.PlanLineView(
                    what="Note", chart_as="Clinical note (DocumentReference)", writes=True, words="Write", reason=""
                ),
                rv.PlanLineView(
                    what="Who signed, with what",
                    chart_as="Provenance",
                    writes=False,
                    words="Not written",
                    reason="This EHR takes none. Said in the note, kept in this app.",
                ),
            ),
            summary="14 items to Sandbox EHR, 1 not",
            release_notice="The patient, and any proxy, may read this at once in the portal.",
            button="Sign and write 14 items to the chart of Zoë Nguyễn-O'Brien",
        ),
        rv.PlanView(
            choice="keep",
            lines=(
                rv.PlanLineView(
                    what="Note", chart_as="Clinical note", writes=False, words="Not written", reason="By choice."
                ),
            ),
            summary="Nothing to Sandbox EHR",
            release_notice="Nothing is written, so that the portal shows nothing of it.",
            button="Sign for Zoë Nguyễn-O'Brien; nothing is written",
        ),
    ),
    encounters=(rv.EncounterOption(encounter_id="e1", words="Outpatient, today 10:30, in progress", chosen=True),),
    encounter="Outpatient, today 10:30, in progress",
    encounter_notice="",
    sign=rv.SignView(
        may_sign=False,
        blockers=(
            rv.Blocker(
                code="alert-open",
                text="You cannot sign yet: the alert on item 9 is open.",
                anchor=f"alert-{ALERT}",
            ),
        ),
        statement="Signed by Miriam Okafor, MD, for Nguyễn-O'Brien, Zoë, MRN 00482913, visit of today 10:30.",
        choices=(
            v.Choice(value="write", label="Write it to the chart", chosen=True),
            v.Choice(value="keep", label="Do not write it; keep it here"),
            v.Choice(value="copy-by-hand", label="Do not write it; I copy it by hand"),
        ),
        choices_notice="",
        asks_deceased=False,
        co_sign_notice="",
        displayed_hash="hash-1",
    ),
    licence=(PHQ9.attribution, PHQ9.loinc_notice),
)
SIGNABLE = replace(
    REVIEW,
    frame=CALM,
    alerts=(CLOSED_ALERT,),
    change_notices=(),
    sign=replace(REVIEW.sign, may_sign=True, blockers=()),
)
ENCOUNTERS = rv.EncounterView(
    frame=CALM,
    options=(
        rv.EncounterOption(encounter_id="e1", words="Outpatient, today 10:30, in progress", chosen=False),
        rv.EncounterOption(encounter_id="none", words="None of these: sign without a visit", chosen=False),
    ),
    notice="The launch brought no visit. Without one, the note cannot be written to this EHR.",
)
OUTCOME = rv.OutcomeView(
    frame=CALM,
    screening_id=SCREENING,
    heading="PHQ-9 signed: 12 of 14 items are in the chart",
    signed="Signed today 10:49 by Miriam Okafor, MD.",
    counts=(
        rv.OutcomeCount(state="unknown", words="1 not known yet"),
        rv.OutcomeCount(state="refused", words="1 refused"),
        rv.OutcomeCount(state="written", words="12 written"),
    ),
    groups=(
        rv.OutcomeGroup(
            title="To look at",
            rows=(
                rv.OutcomeRow(
                    what="Answers as given",
                    chart_as="QuestionnaireResponse",
                    state="unknown",
                    state_words="Not known yet",
                    reference="",
                    detail="The EHR did not answer in time. It is not sent twice.",
                ),
                rv.OutcomeRow(
                    what="Difficulty item",
                    chart_as="Observation 69722-7",
                    state="refused",
                    state_words="Refused",
                    reference="",
                    detail="The EHR refused it: 422. The answer is in the note.",
                ),
            ),
        ),
        rv.OutcomeGroup(
            title="Written",
            rows=(
                rv.OutcomeRow(
                    what="PHQ-9 total, 13",
                    chart_as="Observation 44261-6",
                    state="written",
                    state_words="Written",
                    reference="Observation/f4101k",
                    detail="",
                ),
            ),
        ),
    ),
    next_steps=("Nothing to do for the item being checked.", "Refused item: enter it by hand if your site wants it."),
    reference_code="SS-7K2M-9QXD",
    may_finish_writing=True,
    asks_visit=True,
    may_co_sign=False,
    note_text="PHQ-9, 24 Nov 2026 10:38, answered by the patient.",
)
DOUBT = un.DoubtView(
    row_id=UUID(int=21),
    attempt=1,
    title="2 items, sent together",
    what=("PHQ-9 total", "Note"),
    happened="Sent today 10:49; no clear answer came back.",
    looked_for="All that a search can find, last today 10:50.",
    found="The EHR shows none now. That alone proves nothing: it may show it later.",
    candidates=(),
    send_stop="",
)
UNFINISHED = un.UnfinishedView(
    frame=CALM,
    screening_id=SCREENING,
    heading="PHQ-9: 3 items in doubt",
    reference_code="SS-7K2M-9QXD",
    doubts=(
        DOUBT,
        replace(
            DOUBT,
            row_id=UUID(int=22),
            title="Answers as given",
            what=("Answers as given",),
            found="The EHR shows 1 now.",
            candidates=(
                un.Candidate(
                    row_id=UUID(int=22),
                    attempt=1,
                    what="Answers as given",
                    reference="QuestionnaireResponse/f4102k",
                    resource_id="f4102k",
                ),
            ),
        ),
    ),
    may_decide=True,
    notice="",
)
WORKLIST = rv.WorklistView(
    frame=CALM,
    alerts=(
        rv.WorklistRow(
            kind="alert",
            patient="Abara, Tobias, born 2 Feb 1971, MRN 00117730",
            what="PHQ-9, risk answer",
            when="today 08:38",
            state="No action for 2 h 14 min",
        ),
    ),
    unwritten=(
        rv.WorklistRow(
            kind="unwritten", patient="M. L. …0148", what="GAD-7, signed", when="23 Nov 2026 21:12", state="Waiting"
        ),
    ),
    as_of="As of 10:52",
)
