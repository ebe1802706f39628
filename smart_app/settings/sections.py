"""The tables of smart-screening.toml as types (design: "Settings"). Unknown keys are faults; everything is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from launch.scopes import Feature

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
US_CRISIS_CONTACT = "988 Suicide & Crisis Lifeline: call or text 988, or chat at 988lifeline.org"


class Section(BaseModel):
    """Base of all tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)


def _check_base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port_is_number = parts.port is None or parts.port > 0
    except ValueError as exc:
        raise ValueError("is not a URL") from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_number:
        raise ValueError("must be an absolute https URL")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("plain http is for localhost only: the cookies and tokens of patients' charts need https")
    if parts.query or parts.fragment or "@" in parts.netloc or parts.path not in {"", "/"}:
        raise ValueError("must end after host and port")
    return url.rstrip("/")


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError("is not a time zone of the IANA database") from exc
    return name


def _check_database_url(url: str) -> str:
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("must be sqlite:///FILE or postgresql+psycopg://…")
    return url


BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
ChangeFigureKind = Literal["reliable-change", "minimal-important-difference", "response", "remission"]
InstrumentId = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9.-]{0,63}$")]
LanguageTag = Annotated[str, Field(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class AppSection(Section):
    """``[app]``: where the app is and what it keeps. Relative paths start at the settings file's folder."""

    base_url: BaseUrl
    environment: Literal["test", "production"]
    time_zone: Annotated[str, AfterValidator(_check_time_zone)] = "UTC"
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "US"
    database_url: Annotated[str, AfterValidator(_check_database_url)] = Field(
        default="sqlite:///smart-screening.db", repr=False
    )
    key_file: Path = Path("smart-screening.keys.json")
    signing_keys_file: Path = Path("smart-screening.jwks.json")
    canonical_base: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the app runs over plain http on this machine (cookies lose ``Secure``)."""
        return urlsplit(self.base_url).scheme == "http"


class HttpSection(Section):
    """``[http]``: the way out to EHRs and the way in through proxies. Seconds."""

    proxy: str | None = Field(default=None, repr=False)
    ca_file: Path | None = None
    trusted_proxies: Annotated[int, Field(ge=0, le=5)] = 0
    connect_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    read_timeout: Annotated[float, Field(gt=0, le=120)] = 20.0


class SessionsSection(Section):
    """``[sessions]``: limits of one launch in the browser (design section 7)."""

    idle_minutes: Annotated[int, Field(ge=1, le=240)] = 20
    absolute_hours: Annotated[int, Field(ge=1, le=24)] = 10


class RightsEntry(Section):
    """Whom a right goes to; a user must match every part that is given.

    ``fhir_user_type``: resource type of fhirUser. ``role_codes``: PractitionerRole codes, ``system|code``.
    ``identities``: fhirUser references or subjects of the id_token. ``ehr``: only at this EHR.
    ``supervisor``: the signature waits for this person (fhirUser reference or subject), shown as ``supervisor_name``,
    else by the name that the EHR has.
    """

    fhir_user_type: Literal["Practitioner", "PractitionerRole", "Person"] | None = None
    role_codes: tuple[Text, ...] = ()
    identities: tuple[Text, ...] = ()
    ehr: str | None = None
    supervisor: Text | None = None
    supervisor_name: Text | None = None

    @model_validator(mode="after")
    def _check_names_somebody(self) -> RightsEntry:
        if self.fhir_user_type is None and not self.role_codes and not self.identities:
            raise ValueError("names nobody: give fhir_user_type, role_codes or identities")
        if self.supervisor_name is not None and self.supervisor is None:
            raise ValueError("has a supervisor_name and no supervisor")
        return self


class RightsSection(Section):
    """``[rights]``: who may do what, beyond giving, entering and acting on alerts, which all staff may."""

    enter: tuple[RightsEntry, ...] = ()
    act_on_alert: tuple[RightsEntry, ...] = ()
    close_alert: tuple[RightsEntry, ...] = ()
    sign: tuple[RightsEntry, ...] = ()
    co_sign: tuple[RightsEntry, ...] = ()
    administer: tuple[RightsEntry, ...] = ()


class InstrumentsSection(Section):
    """``[instruments]``: which are offered, in this order; ``prorate`` allows missing-item rules not of the author.

    ``folder``: the site's own instruments, and its licensed texts for those that ship without; it may be absent.
    ``languages``: those in which questionnaires are given here, BCP 47 code to the name that pages show.
    ``cutoffs``: score id → the published cut-off that decides in place of the default. ``change_figures``: score id →
    kind → id of the published figure in use. What is not published for the score is a fault of the start.
    """

    enabled: Annotated[tuple[InstrumentId, ...], Field(min_length=1)] = ("phq-9", "gad-7")
    folder: Path = Path("instruments")
    languages: Annotated[Mapping[LanguageTag, Text], Field(min_length=1)] = {"en": "English"}
    prorate: bool = False
    cutoffs: Mapping[Text, int] = {}
    change_figures: Mapping[Text, Mapping[ChangeFigureKind, Text]] = {}


class PracticeSection(Section):
    """``[practice]``: how long a draft may go on, in hours."""

    draft_hours: Annotated[int, Field(ge=1, le=168)] = 24


class AlertsSection(Section):
    """``[alerts]``: whose list shows every open alert, by fhirUser reference or subject of the id_token."""

    readers: tuple[Text, ...] = ()


class CrisisSection(Section):
    """``[crisis]``: shown as readable text on every page that a patient sees (safety rule 11)."""

    contact: Text


class RetentionSection(Section):
    """``[retention]``: what ``purge`` removes. Open alerts and unwritten results never go by themselves."""

    answers_days: Annotated[int, Field(ge=1)] = 90
    note_only_years: Annotated[int, Field(ge=1)] = 7
    audit_years: Annotated[int, Field(ge=6)] = 6
    session_days: Annotated[int, Field(ge=1)] = 30


class LogsSection(Section):
    """``[logs]``: to standard error."""

    format: Literal["json", "plain"] = "json"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class OptionalRead(StrEnum):
    """What may be read beside the results themselves."""

    CONDITIONS = "conditions"
    MEDICATIONS = "medications"
    DOCUMENTS = "documents"


class WritesSection(Section):
    """``[ehr.writes]``: what this site wants written, as far as the EHR takes it."""

    responses: bool = True
    observations: bool = True
    item_observations: bool = True
    notes: bool = True
    provenance: bool = True
    note_type: Annotated[str, Field(pattern="^[0-9]{1,7}-[0-9]$")] | None = None
    restricted_note_type: Annotated[str, Field(pattern="^[0-9]{1,7}-[0-9]$")] | None = None
    age_of_majority: Annotated[int, Field(ge=0, le=25)] = 18


class EhrOptions(Section):
    """What the app, not the launch, needs to know of one EHR's entry."""

    reads: tuple[OptionalRead, ...] = ()
    writes: WritesSection = WritesSection()
    online_access: bool = False

    @property
    def features(self) -> frozenset[Feature]:
        """What access is asked for, from what is switched on."""
        wanted = {
            Feature.BASE: True,
            Feature.CONDITIONS: OptionalRead.CONDITIONS in self.reads,
            Feature.MEDICATIONS: OptionalRead.MEDICATIONS in self.reads,
            Feature.DOCUMENTS: OptionalRead.DOCUMENTS in self.reads,
            Feature.ONLINE_ACCESS: self.online_access,
            Feature.WRITE_RESPONSES: self.writes.responses,
            Feature.WRITE_OBSERVATIONS: self.writes.observations,
            Feature.WRITE_NOTES: self.writes.notes,
            Feature.WRITE_PROVENANCE: self.writes.provenance,
        }
        return frozenset(feature for feature, on in wanted.items() if on)
