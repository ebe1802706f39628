"""What the pages of home, form and start show, in words: templates place these values and compute nothing.

Dates and times are already worded ("today 10:38", "12 Oct 2026"); numbers for pictures are per cent of the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from smart_app.model.rights import Right
from smart_app.screening.wording import say_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Who the page is about: on every page of a patient (safety rule 2). ``notices``: deceased, record not active."""

    name: str
    born: str
    sex: str
    mrn: str
    visit: str
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStrip:
    """An open alert in one line, for every clinician page of the patient."""

    alert_id: UUID
    screening_id: UUID
    title: str
    text: str
    handed_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What surrounds every page of a launch. ``rights`` only decides what is offered; each use case checks again."""

    launch_id: str
    banner: Banner
    user_name: str
    ehr_name: str
    is_test: bool
    alerts: tuple[AlertStrip, ...]
    rights: frozenset[Right]
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandMark:
    """A severity range: its words and its place 1 to 5 in the ramp."""

    label: str
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """Something unfinished. ``kind``: draft, review, unwritten, refused, co-sign. ``action`` labels the link."""

    screening_id: UUID
    kind: str
    title: str
    detail: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueItem:
    """An instrument to give: every one of the library, ``due`` first with the reason. ``key`` is its number key.

    ``source`` is who published that it is called for; ``suicide_notice`` is "" where it asks about suicide.
    """

    instrument_id: str
    short_name: str
    title: str
    due: bool
    reason: str
    source: str
    suicide_notice: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """The patient's overview, without the history: that is its own URL (design section 7, "Slow EHR").

    ``told_beforehand``: what a young person is told before anything is started, "" for an adult.
    """

    frame: Frame
    unfinished: tuple[WorkItem, ...]
    due: tuple[DueItem, ...]
    told_beforehand: str

    @property
    def in_sight(self) -> tuple[DueItem, ...]:
        """The instruments that the page shows at once: those with a number key, and every one that is due."""
        return tuple(item for item in self.due if item.key or item.due)

    @property
    def folded(self) -> tuple[DueItem, ...]:
        """The others, to be unfolded."""
        return tuple(item for item in self.due if not (item.key or item.due))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """A point of a sparkline, per cent from the left and from the top; ``words`` tell it ("12 Oct 2026: 10")."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """The newest result of one score and its trend. ``value`` None: no score, and ``screen`` says not known.

    ``of`` "": a level, which has no number. ``mark`` "prorated" where missing items were filled in.
    """

    instrument_id: str
    short_name: str
    when: str
    value: str | None
    of: str
    band: BandMark | None
    screen: str
    mark: str
    badge: str | None
    change: str
    screening_id: UUID | None
    trend: tuple[TrendPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierResult:
    """One earlier result in the table beside the trends, newest first; ``origin``: this app, or the chart."""

    short_name: str
    when: str
    value: str
    band: str
    origin: str
    screening_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """Earlier results of this app and of the chart. ``notices`` say what could not be read."""

    frame: Frame
    rows: tuple[ResultRow, ...]
    results: tuple[EarlierResult, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One option of a radio group or a select."""

    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartView:
    """The "who and how" form. ``draft_id``: an unfinished form of this instrument that may be continued instead.

    ``warnings`` speak of age outside the validated range and of an unsafe setting; ``default_informant`` is chosen.
    ``asks_knowingly``: it does not start unless somebody says that they know of the age; ``asks_deceased``: that the
    patient has died.
    """

    frame: Frame
    instrument_id: str
    short_name: str
    title: str
    informants: tuple[Choice, ...]
    modes: tuple[Choice, ...]
    languages: tuple[Choice, ...]
    draft_id: UUID | None
    draft: str
    warnings: tuple[str, ...]
    asks_knowingly: bool
    asks_deceased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionView:
    """One answer that an item offers. ``points`` is its weight as shown ("2"), "" for an unscored item."""

    code: str
    label: str
    points: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """The field of an item that is not answered by one option alone.

    ``kind``: boxes (several options), open (one option, or words), area (lines or long words), quantity, moment (date
    and time), number, date, time or text. ``saved``: all that stands in it, as one text. ``second``: the unit's code
    or the time. ``chosen``: codes of options. ``other``: words beside the options, None where only options count.
    ``longest``: the most characters that the field may hold, None where none is set or each line is an answer.
    """

    kind: str
    saved: str
    value: str
    second: str
    chosen: tuple[str, ...]
    other: str | None
    units: tuple[tuple[str, str], ...]
    least: str
    most: str
    longest: int | None
    whole: bool
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One item of the form. ``version`` is what the page has seen, and goes back with a save.

    ``status``: answered, declined or blank; ``saved`` its words ("Saved 10:33", "Not answered"). ``unscored_heading``
    is "Not part of the score" on the first such item, "" elsewhere. ``enabled`` False: greyed out until it applies.
    ``headings``: group titles and texts that stand before it. ``field``: None where one option is chosen.
    """

    link_id: str
    number: str
    text: str
    options: tuple[OptionView, ...]
    may_decline: bool
    status: str
    saved: str
    version: int
    enabled: bool
    scored: bool
    unscored_heading: str
    headings: tuple[str, ...] = ()
    field: FieldView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An item without an answer at hand-in. ``risk``: leaving it blank opens an alert."""

    link_id: str
    number: str
    text: str
    risk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What this page sent differs from what is saved: asked about, never decided by us (safety rule 6).

    ``posted_code`` is "" for blank and "declined" for a refusal, as in the form; ``saved`` says who and when.
    """

    link_id: str
    number: str
    text: str
    posted_code: str
    posted: str
    saved_code: str
    saved: str
    saved_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryOffer:
    """An answer to the same question on another form of this visit, which the patient may confirm."""

    link_id: str
    number: str
    text: str
    answer: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView:
    """The form of one screening. ``device`` is this page's random id; it goes back with every save and the hand-in.

    ``sequence`` is the highest number that has come from it: a page counts on from there.
    ``warnings`` speak against the instrument for this patient, all the time that it is open (safety rule 12).
    ``offers`` are answers that may be carried.
    ``missing`` and ``differences`` are filled after a hand-in that needs an answer to them. ``total`` is "" until
    every scored item is answered. ``risk_notice`` is filled once a risk answer stands.
    """

    frame: Frame
    screening_id: UUID
    instrument_id: str
    short_name: str
    title: str
    instruction: str
    warnings: tuple[str, ...]
    licence: tuple[str, ...]
    language: str
    giving: str
    device: str
    sequence: int
    items: tuple[ItemView, ...]
    answered: int
    count: int
    progress: str
    total: str
    risk_notice: str
    offers: tuple[CarryOffer, ...] = ()
    missing: tuple[Missing, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def to_look_at(self) -> str:
        """How much a hand-in still asks: "3 things to look at"."""
        things = len(self.missing) + len(self.differences)
        return f"{say_count(things, 'thing')} to look at"

    @property
    def lowest_key(self) -> str:
        """The number key of the first answer of an item."""
        return self._keys()[0]

    @property
    def highest_key(self) -> str:
        """The number key of the last answer of an item."""
        return self._keys()[-1]

    def _keys(self) -> list[str]:
        """Give the keys of the first item that offers answers: their points, else their places."""
        options = next((item.options for item in self.items if item.options), ())
        return [option.points or str(place) for place, option in enumerate(options)] or ["0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """What became of one save, for the page. ``kind``: saved, unchanged, late, conflict (see ``SaveKind``).

    ``code`` and ``version`` are those that now stand; ``words`` go beside the item; ``alert`` tells that one opened.
    """

    link_id: str
    kind: str
    code: str
    version: int
    words: str
    alert: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveReport:
    """What became of a batch of saves. ``risk_notice`` is for the page's alert region, "" without one.

    ``not_asked``: linkIds of the items that the answers given so far do not call for.
    """

    saves: tuple[SavedView, ...]
    answered: int
    count: int
    progress: str
    total: str
    not_asked: tuple[str, ...]
    risk_notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandInResult:
    """Whether the form was handed in; if not, what must be answered first. What could be saved is saved either way."""

    handed_in: bool
    missing: tuple[Missing, ...]
    differences: tuple[Difference, ...]
    alerts_opened: int
