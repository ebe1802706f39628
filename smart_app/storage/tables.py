"""The tables, the same for SQLite and PostgreSQL (SQLAlchemy 2 Core).

In clear: our ids, FHIR ids, states, times, versions, instrument and item names. Everything that a person said or that
tells a result is in a ``sealed`` column (see cipher.py). Hashes of signed content are sealed too: a hash over one of
four possible answers would tell the answer.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, to the microsecond; SQLite keeps it as text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive datetime (ValueError), store UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without time zone is never stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _patient_columns() -> tuple[Column[str], Column[str], Column[str]]:
    return (
        Column("ehr_id", String(64), nullable=False),
        Column("tenant", String(200), nullable=False),
        Column("patient_id", String(64), nullable=False),
    )


installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("environment", String(16), nullable=False),
)

pending_launches = Table(
    "pending_launches",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("binding_hash", String(64), nullable=False),
    Column("ehr_id", String(64), nullable=False),
    Column("iss", Text, nullable=False),
    Column("framed", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
    Column("sealed", LargeBinary, nullable=False),
)

launch_sessions = Table(
    "launch_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    *_patient_columns(),
    Column("user_issuer", Text, nullable=False),
    Column("user_subject", Text, nullable=False),
    Column("encounter_id", String(64)),
    Column("framed", Boolean, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("refresh_lease_until", UtcDateTime),
    Column("has_tokens", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "ehr_id", "tenant", "patient_id"),
    Index(None, "user_issuer", "user_subject"),
)

screenings = Table(
    "screenings",
    metadata,
    Column("id", Uuid, primary_key=True),
    *_patient_columns(),
    Column("instrument_id", String(64), nullable=False),
    Column("canonical", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("encounter_id", String(64)),
    Column("started_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("purged_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "ehr_id", "tenant", "patient_id"),
    Index(None, "state"),
)

saved_answers = Table(
    "saved_answers",
    metadata,
    Column("screening_id", Uuid, ForeignKey("screenings.id"), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("link_id", String(255), nullable=False),
    Column("version", Integer, nullable=False),
    Column("saved_at", UtcDateTime, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("screening_id", "link_id", "version"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("screening_id", Uuid, ForeignKey("screenings.id"), nullable=False),
    *_patient_columns(),
    Column("instrument_id", String(64), nullable=False),
    Column("rule_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("screening_id", "rule_id"),
    Index(None, "ehr_id", "tenant", "patient_id"),
    Index(None, "state"),
)

note_drafts = Table(
    "note_drafts",
    metadata,
    Column("screening_id", Uuid, ForeignKey("screenings.id"), primary_key=True),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("screening_id", Uuid, ForeignKey("screenings.id"), nullable=False, index=True),
    *_patient_columns(),
    Column("encounter_id", String(64)),
    Column("signer_issuer", Text, nullable=False),
    Column("signer_subject", Text, nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
    Column("launch_id", String(64), nullable=False),
    Column("reference_code", String(16), nullable=False, unique=True),
    Column("choice", String(16), nullable=False),
    Column("awaiting", Text),
    Column("co_signed_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "ehr_id", "tenant", "patient_id"),
)

ledger_rows = Table(
    "ledger_rows",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("approval_id", Uuid, ForeignKey("approvals.id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("key", String(255), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("resource_type", String(64), nullable=False),
    Column("full_url", String(64), nullable=False),
    Column("identifier_value", String(255), nullable=False),
    Column("depends_on", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason_code", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("resource_id", String(64)),
    Column("version_id", String(255)),
    Column("http_status", Integer),
    Column("looked_up_at", UtcDateTime),
    Column("look_ups", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_reason", LargeBinary, nullable=False),
    UniqueConstraint("approval_id", "key"),
    UniqueConstraint("approval_id", "ordinal"),
    Index(None, "state", "lease_until"),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("ehr_id", String(64), primary_key=True),
    Column("tenant", String(200), primary_key=True),
    Column("patient_id", String(64), primary_key=True),
    Column("placed_at", UtcDateTime, nullable=False),
)

ehr_questionnaires = Table(
    "ehr_questionnaires",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("ehr_id", String(64), nullable=False),
    Column("fetched_at", UtcDateTime, nullable=False),
    # As received: a form's wording, nothing of a patient, so it is not sealed.
    Column("body", Text, nullable=False),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("action", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("user_issuer", Text),
    Column("user_subject", Text),
    Column("fhir_user", Text),
    Column("user_name", Text),
    Column("ehr_id", String(64)),
    Column("tenant", String(200)),
    Column("patient_id", String(64)),
    Column("launch_id", String(64)),
    Column("entity", String(255)),
    Column("correlation_id", String(64)),
    Column("detail", Text, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("mac", String(64), nullable=False),
    Index(None, "ehr_id", "tenant", "patient_id"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("mac", String(64), nullable=False),
    Column("floor_seq", Integer, nullable=False),
    Column("floor_mac", String(64), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("head_mac", String(64), nullable=False),
)
