"""What the pages of review, alerts, encounter, outcome and worklist show, in words (see views.py)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from smart_app.screening.views import BandMark, Choice, Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class RulerSegment:
    """A band on the ruler, per cent: where it starts and how wide it is."""

    label: str
    level: int
    start: float
    width: float
    holds_score: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """The severity ruler. ``low`` and ``high`` are equal for a known score, and span what is possible otherwise."""

    segments: tuple[RulerSegment, ...]
    low: float
    high: float
    cutoff: float | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """Change against one earlier result. ``badge``: a Badge value or None (withheld or no published figure).

    ``figure``: the published figure that gave the badge, with its citation, or that none is published. ``figures``:
    what each kind of figure says.
    """

    heading: str
    badge: str | None
    badge_label: str
    words: str
    figure: str
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreView:
    """One score. ``value`` None: not known, and ``figure`` says between what ("at least 8, at most 17").

    ``unbanded`` says why there is no band. ``is_level``: a published level without a number; ``action`` is what is
    published to do then. ``changes`` are those of this score.
    """

    id: str
    label: str
    is_level: bool
    value: str | None
    of: str
    figure: str
    band: BandMark | None
    unbanded: str
    screen: str
    completeness: str
    rule: str
    action: str
    ruler: Ruler | None
    changes: tuple[ChangeView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """One answer. ``notable`` ones stand first, ``risk`` ones before all. ``earlier``: what stood before, with times.

    ``direction``: up, down, same or "" (no earlier result); ``change`` in words ("+1").
    """

    link_id: str
    number: str
    text: str
    points: str
    answer: str
    status: str
    notable: bool
    risk: bool
    scored: bool
    direction: str
    change: str
    earlier: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStep:
    """One recorded step on an alert: what, by whom and when, and the words of the person."""

    title: str
    when: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One alert with its steps and, while open, what can be recorded. ``rule`` names the published rule and source.

    ``answers``: every answer of that item with its time, first to last, then those asked again.
    ``level``: the highest level that the form reached, with the time, and those before; "" where it has none.
    ``action`` is what the published rule asks for. ``done`` and ``dispositions`` are the choices of the form; no risk
    level is proposed. ``result_page``: "form", "review", "outcome", or "" where the result has no page any more.
    """

    alert_id: UUID
    screening_id: UUID
    title: str
    item: str
    answers: tuple[str, ...]
    rule: str
    level: str
    action: str
    state: str
    state_words: str
    steps: tuple[AlertStep, ...]
    result_page: str
    is_open: bool
    blocks_signing: bool
    may_act: bool
    may_close: bool
    done: tuple[Choice, ...]
    dispositions: tuple[Choice, ...]
    answer_options: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLineView:
    """One line of "what signing will write"."""

    what: str
    chart_as: str
    writes: bool
    words: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """What signing does under one choice, "" while nothing is chosen. ``button`` names count, verb and patient."""

    choice: str
    lines: tuple[PlanLineView, ...]
    summary: str
    release_notice: str
    button: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterOption:
    """A visit to choose: type, date and status in words; ``encounter_id`` "none" for none."""

    encounter_id: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A reason why signing is not possible yet. ``anchor`` is the part of the page where it is settled."""

    code: str
    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignView:
    """The sign panel. ``displayed_hash`` goes back with the form; a page that has changed since is refused.

    ``choices`` are write, restricted, keep and copy-by-hand; none is chosen for a minor (safety rule 13).
    """

    may_sign: bool
    blockers: tuple[Blocker, ...]
    statement: str
    choices: tuple[Choice, ...]
    choices_notice: str
    asks_deceased: bool
    co_sign_notice: str
    displayed_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteView:
    """The note for the chart. ``version`` goes back with a save (0: never edited); ``problems`` block signing."""

    text: str
    edited: bool
    version: int
    saved: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextView:
    """An instrument that this result calls for, why, who says so, and the fields that start it in the same way."""

    instrument_id: str
    short_name: str
    reason: str
    source: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    """Everything on the review page, the blocking thing first.

    ``advice`` is what single answers call for besides a risk alert.
    """

    frame: Frame
    screening_id: UUID
    instrument_id: str
    title: str
    subtitle: str
    scores: tuple[ScoreView, ...]
    advice: tuple[str, ...]
    next_instruments: tuple[NextView, ...]
    change_notices: tuple[str, ...]
    alerts: tuple[AlertView, ...]
    suicide_notice: str
    answers: tuple[AnswerRow, ...]
    comment: str
    note: NoteView
    plans: tuple[PlanView, ...]
    encounters: tuple[EncounterOption, ...]
    encounter: str
    encounter_notice: str
    sign: SignView
    licence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterView:
    """The page on which a visit is chosen where the launch has none."""

    frame: Frame
    options: tuple[EncounterOption, ...]
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """One resource: ``state`` is a RowState value, ``state_words`` its words; its id in the chart, or the reason."""

    what: str
    chart_as: str
    state: str
    state_words: str
    reference: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeGroup:
    """Rows under one heading; what needs a person comes first."""

    title: str
    rows: tuple[OutcomeRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount:
    """How many resources are in a state: "1 refused"."""

    state: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeView:
    """What became of each resource of one signature. ``note_text`` is the signed note, to copy.

    ``asks_visit``: to be sent, it must be confirmed that the result belongs to a visit that changed since signing.
    """

    frame: Frame
    screening_id: UUID
    heading: str
    signed: str
    counts: tuple[OutcomeCount, ...]
    groups: tuple[OutcomeGroup, ...]
    next_steps: tuple[str, ...]
    reference_code: str
    may_finish_writing: bool
    asks_visit: bool
    may_co_sign: bool
    note_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistRow:
    """An open alert or an unwritten result of a patient whose chart may not be open here.

    ``level``: the highest level that an alert's form reached, with the time; "" where it has none.
    """

    kind: str
    patient: str
    what: str
    when: str
    state: str
    level: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistView:
    """Open alerts that the user may see, then results still unwritten; each view of it is audited."""

    frame: Frame
    alerts: tuple[WorklistRow, ...]
    unwritten: tuple[WorklistRow, ...]
    as_of: str
