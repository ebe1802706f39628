"""What pages send, as it arrives: text that the use cases parse, each fault naming its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DECLINED = "declined"
"""Value of an item's radio group for "prefer not to answer"; no option of an instrument has this code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivingForm:
    """The "who and how" form. ``answered_at``: FHIR date or dateTime for answers given earlier, "" for now.

    ``knowingly``: "I know that it is not validated at this age" was ticked; ``although_deceased``: "I know that the
    patient has died".
    """

    informant: str
    mode: str
    language: str
    relationship: str = ""
    interpreter: bool = False
    answered_at: str = ""
    knowingly: bool = False
    although_deceased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedForm:
    """The whole form at hand-in.

    ``codes``: linkId → option code, DECLINED, or "" for blank. ``seen``: linkId → version that the page knew (0: none).
    ``sequence``: the page's number of this posting, 0 where it is not known. ``accept_missing``: "hand in incomplete"
    was confirmed. ``keep``: linkId → "posted" or "saved", the answers to the differences asked about; ``keep_seen``:
    linkId → saved version that was shown beside the question.
    """

    device: str
    codes: Mapping[str, str]
    seen: Mapping[str, int]
    sequence: int = 0
    accept_missing: bool = False
    keep: Mapping[str, str] = field(default_factory=dict)
    keep_seen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentForm:
    """What closing an alert needs, as typed. ``assessed_at`` "" means now; ``done`` holds values of AlertView.done."""

    risk_level: str
    reasons: str
    plan: str
    disposition: str
    assessor: str = ""
    assessed_at: str = ""
    outreach_plan: str = ""
    done: tuple[str, ...] = ()
    into_note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverForm:
    """To whom an alert was handed over and when they accepted; ``accepted_at`` "" means now."""

    name: str
    accepted_at: str = ""
    text: str = ""
