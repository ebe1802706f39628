"""What storage refuses: nothing found, somebody was faster, or what is stored cannot be trusted."""

from __future__ import annotations

from smart_app.errors import AppError


class StorageError(AppError):
    """Root of the errors of storage."""

    code = "storage-error"
    title = "The app's database could not do this"
    http_status = 500


class DatabaseUnavailable(StorageError):
    """The database does not answer, or its write lock was not free in time; nothing was changed."""

    code = "database-unavailable"
    title = "The app's database does not answer"
    remedy = "Nothing was saved just now. Wait a moment, then try again; what you typed is kept in the form."
    http_status = 503


class UnknownRecord(StorageError):
    """There is no record with this id."""

    code = "unknown-record"
    title = "This does not exist here"
    remedy = "Go back to the patient's overview and choose again."
    http_status = 404


class UnknownSession(UnknownRecord):
    """There is no launch with this id."""

    code = "unknown-session"
    title = "This launch is not known"
    remedy = "Open the app again from the patient's chart."


class UnknownScreening(UnknownRecord):
    """There is no screening with this id."""

    code = "unknown-screening"


class UnknownAlert(UnknownRecord):
    """There is no alert with this id."""

    code = "unknown-alert"


class UnknownApproval(UnknownRecord):
    """There is no approval with this id."""

    code = "unknown-approval"


class UnknownRow(UnknownRecord):
    """There is no ledger row with this id."""

    code = "unknown-row"


class StaleVersion(StorageError):
    """Somebody saved a newer version since this one was read; nothing was changed."""

    code = "stale-version"
    title = "Somebody else changed this in the meantime"
    remedy = "Look at the present state, then decide again. What you typed is kept in the form."
    http_status = 409


class AlreadyExists(StorageError):
    """A record that may exist once exists already."""

    code = "already-exists"
    title = "This was already done"
    http_status = 409


class HistoryLost(StorageError):
    """A save would have dropped or changed a part of a history that only grows; nothing was changed."""

    code = "history-lost"


class LostClaim(StorageError):
    """Another attempt has claimed the ledger row: this attempt may record nothing."""

    code = "lost-claim"
    title = "Another process has taken over this write"
    http_status = 409


class ReadOnlyUnit(StorageError):
    """A unit that was opened for reading cannot commit."""

    code = "read-only-unit"


class UnitClosed(StorageError):
    """The unit was committed or left; a change needs a new one."""

    code = "unit-closed"


class BrokenSeal(StorageError):
    """An encrypted value cannot be opened: moved, changed, or its key is not in the key ring."""

    code = "broken-seal"
    title = "A stored value cannot be read"
    remedy = "Tell IT: the key file and the database do not belong together, or the database was changed."


class InvalidKeyRing(StorageError):
    """The key file is missing, readable by others, or cannot be read."""

    code = "invalid-key-ring"


class SchemaMismatch(StorageError):
    """The database is not at the version of this release."""

    code = "schema-mismatch"
    title = "The database needs an upgrade"
    remedy = "Run: smart-screening db upgrade"


class WrongEnvironment(StorageError):
    """A test start on a production database, or the reverse: the two are never mixed."""

    code = "wrong-environment"
    remedy = "Give each environment its own database_url."
