"""What every use case is handed: the parts of the app (`Services`) and who is acting (`Acting`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from fhir_mappings.instrument import Instrument
from launch.ehr import EhrRegistry
from launch.scopes import Feature
from smart_app.chart import ChartCache
from smart_app.connections import Connections
from smart_app.library import Library
from smart_app.model.identity import PatientKey, User
from smart_app.model.launch_session import LaunchSession, SessionStanding
from smart_app.model.rights import Right, RightsRule
from smart_app.refusal_budget import RefusalBudget
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.plan import WriteSite


@dataclass(frozen=True, slots=True, kw_only=True)
class EhrRules:
    """What the site has switched on at one EHR: access asked for, and what is written there."""

    features: frozenset[Feature] = frozenset({Feature.BASE})
    write_site: WriteSite = field(default_factory=WriteSite)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRules:
    """What the use cases need of the site's settings (see settings.py for their meaning and defaults).

    ``crisis`` is the crisis contact as readable text; ``zone`` that of times shown. ``prorate``: missing-item rules
    that are not the author's own are switched on. ``languages``: those given in here, BCP 47 code and name.
    ``alert_readers``: identities (fhirUser or subject) who see every open alert on their list.
    """

    base_url: str
    is_test: bool
    rights: tuple[RightsRule, ...]
    crisis: str
    ehrs: Mapping[str, EhrRules] = field(default_factory=dict)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    idle: timedelta = timedelta(minutes=20)
    absolute: timedelta = timedelta(hours=10)
    draft_within: timedelta = timedelta(hours=24)
    languages: tuple[tuple[str, str], ...] = (("en", "English"),)
    alert_readers: frozenset[str] = frozenset()
    prorate: bool = False

    def at(self, ehr_id: str) -> EhrRules:
        """Give what holds at one EHR."""
        return self.ehrs.get(ehr_id, EhrRules())

    def languages_of(self, instrument: Instrument) -> tuple[tuple[str, str], ...]:
        """Give the site's languages, code and name, in which the instrument's words are at hand (safety rule 12)."""
        spoken = instrument.language.split("-", 1)[0]
        return tuple((code, name) for code, name in self.languages if code.split("-", 1)[0] == spoken)

    def features_at(self, ehr_id: str) -> frozenset[Feature]:
        """Give what is asked for at one EHR: as switched on, and the user's roles where rights depend on them."""
        by_role = any(rule.role_codes and rule.ehr_id in {None, ehr_id} for rule in self.rights)
        return self.at(ehr_id).features | ({Feature.ROLES} if by_role else frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the app, put together once by wiring.py; tests put together their own.

    ``clock`` gives aware UTC datetimes; ``new_secret`` at least 128 random bits, URL-safe.
    """

    units: Units
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    new_secret: Callable[[], str]
    random_bytes: Callable[[int], bytes]
    library: Library
    ehrs: EhrRegistry
    connections: Connections
    charts: ChartCache
    rules: SiteRules
    software_version: str
    refusals: RefusalBudget = field(default_factory=RefusalBudget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Who is acting, in which launch, at what time, and what they may do.

    ``standing`` IDLE may only save into its own in-progress form; every other use case refuses.
    """

    session: LaunchSession
    standing: SessionStanding
    rights: Mapping[Right, RightsRule | None]
    now: datetime
    correlation_id: str

    @property
    def user(self) -> User:
        """The person."""
        return self.session.user

    @property
    def patient(self) -> PatientKey:
        """The one patient of this launch (safety rule 2)."""
        return self.session.patient
