"""Settings: one TOML file, each value overridable by environment; a bad start names every fault at once.

| module | holds |
|---|---|
| sections | the tables of the file as types, with their defaults |
| ehr_entry | one ``[[ehr]]``, made into a ``launch.ehr.Ehr`` |
| overrides | ``SMART_SCREENING_<SECTION>_<KEY>`` |
| loading | file and environment into Settings |
| template | the commented file that ``init`` writes |
"""

from smart_app.settings.errors import Fault, SettingsError
from smart_app.settings.loading import Settings, find_settings_path, load_settings, parse_settings
from smart_app.settings.sections import (
    AlertsSection,
    AppSection,
    CrisisSection,
    EhrOptions,
    HttpSection,
    InstrumentsSection,
    LogsSection,
    OptionalRead,
    PracticeSection,
    RetentionSection,
    RightsEntry,
    RightsSection,
    SessionsSection,
    WritesSection,
)

__all__ = [
    "AlertsSection",
    "AppSection",
    "CrisisSection",
    "EhrOptions",
    "Fault",
    "HttpSection",
    "InstrumentsSection",
    "LogsSection",
    "OptionalRead",
    "PracticeSection",
    "RetentionSection",
    "RightsEntry",
    "RightsSection",
    "SessionsSection",
    "Settings",
    "SettingsError",
    "WritesSection",
    "find_settings_path",
    "load_settings",
    "parse_settings",
]
