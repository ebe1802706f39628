"""Open the database that the settings name, ready for use."""

from __future__ import annotations

from smart_app.settings import Settings
from smart_app.storage.engine import open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.schema_version import check_schema, claim_environment
from smart_app.storage.unit_of_work import Units


def open_units(settings: Settings) -> Units:
    """Open the database at this release's schema and in its environment, with its keys. Raises StorageError."""
    keys = KeyRing.load(settings.app.key_file)
    database = open_database(settings.app.database_url)
    check_schema(database)
    claim_environment(database, settings.environment)
    return Units(database, keys)
