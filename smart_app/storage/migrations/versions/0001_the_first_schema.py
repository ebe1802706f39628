"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PATIENT = ("ehr_id", "tenant", "patient_id")


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("user_issuer", sa.Text()),
        sa.Column("user_subject", sa.Text()),
        sa.Column("fhir_user", sa.Text()),
        sa.Column("user_name", sa.Text()),
        sa.Column("ehr_id", sa.String(length=64)),
        sa.Column("tenant", sa.String(length=200)),
        sa.Column("patient_id", sa.String(length=64)),
        sa.Column("launch_id", sa.String(length=64)),
        sa.Column("entity", sa.String(length=255)),
        sa.Column("correlation_id", sa.String(length=64)),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_ehr_id_tenant_patient_id", "audit_events", list(_PATIENT))

    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.Column("floor_seq", sa.Integer(), nullable=False),
        sa.Column("floor_mac", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("head_mac", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    op.create_table(
        "launch_sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("ehr_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("user_issuer", sa.Text(), nullable=False),
        sa.Column("user_subject", sa.Text(), nullable=False),
        sa.Column("encounter_id", sa.String(length=64)),
        sa.Column("framed", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("refresh_lease_until", sa.DateTime(timezone=True)),
        sa.Column("has_tokens", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_launch_sessions"),
    )
    op.create_index(
        "ix_launch_sessions_ehr_id_tenant_patient_id", "launch_sessions", ["ehr_id", "tenant", "patient_id"]
    )
    op.create_index("ix_launch_sessions_user_issuer_user_subject", "launch_sessions", ["user_issuer", "user_subject"])

    op.create_table(
        "legal_holds",
        sa.Column("ehr_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ehr_id", "tenant", "patient_id", name="pk_legal_holds"),
    )
    op.create_table(
        "pending_launches",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("binding_hash", sa.String(length=64), nullable=False),
        sa.Column("ehr_id", sa.String(length=64), nullable=False),
        sa.Column("iss", sa.Text(), nullable=False),
        sa.Column("framed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name="pk_pending_launches"),
    )
    op.create_index("ix_pending_launches_expires_at", "pending_launches", ["expires_at"])

    op.create_table(
        "screenings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ehr_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("instrument_id", sa.String(length=64), nullable=False),
        sa.Column("canonical", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("encounter_id", sa.String(length=64)),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("purged_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_screenings"),
    )
    op.create_index("ix_screenings_ehr_id_tenant_patient_id", "screenings", list(_PATIENT))
    op.create_index("ix_screenings_state", "screenings", ["state"])

    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("screening_id", sa.Uuid(), nullable=False),
        sa.Column("ehr_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("instrument_id", sa.String(length=64), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name="fk_alerts_screening_id_screenings"),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("screening_id", "rule_id", name="uq_alerts_screening_id_rule_id"),
    )
    op.create_index("ix_alerts_ehr_id_tenant_patient_id", "alerts", list(_PATIENT))
    op.create_index("ix_alerts_state", "alerts", ["state"])

    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("screening_id", sa.Uuid(), nullable=False),
        sa.Column("ehr_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("encounter_id", sa.String(length=64)),
        sa.Column("signer_issuer", sa.Text(), nullable=False),
        sa.Column("signer_subject", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("launch_id", sa.String(length=64), nullable=False),
        sa.Column("reference_code", sa.String(length=16), nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=False),
        sa.Column("awaiting", sa.Text()),
        sa.Column("co_signed_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name="fk_approvals_screening_id_screenings"),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.UniqueConstraint("reference_code", name="uq_approvals_reference_code"),
    )
    op.create_index("ix_approvals_ehr_id_tenant_patient_id", "approvals", list(_PATIENT))
    op.create_index("ix_approvals_screening_id", "approvals", ["screening_id"])

    op.create_table(
        "note_drafts",
        sa.Column("screening_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name="fk_note_drafts_screening_id_screenings"),
        sa.PrimaryKeyConstraint("screening_id", name="pk_note_drafts"),
    )
    op.create_table(
        "saved_answers",
        sa.Column("screening_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("link_id", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name="fk_saved_answers_screening_id_screenings"),
        sa.PrimaryKeyConstraint("screening_id", "ordinal", name="pk_saved_answers"),
        sa.UniqueConstraint("screening_id", "link_id", "version", name="uq_saved_answers_screening_id_link_id_version"),
    )
    op.create_table(
        "ledger_rows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("full_url", sa.String(length=64), nullable=False),
        sa.Column("identifier_value", sa.String(length=255), nullable=False),
        sa.Column("depends_on", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason_code", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("resource_id", sa.String(length=64)),
        sa.Column("version_id", sa.String(length=255)),
        sa.Column("http_status", sa.Integer()),
        sa.Column("looked_up_at", sa.DateTime(timezone=True)),
        sa.Column("look_ups", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_reason", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name="fk_ledger_rows_approval_id_approvals"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_rows"),
        sa.UniqueConstraint("approval_id", "key", name="uq_ledger_rows_approval_id_key"),
        sa.UniqueConstraint("approval_id", "ordinal", name="uq_ledger_rows_approval_id_ordinal"),
    )
    op.create_index("ix_ledger_rows_state_lease_until", "ledger_rows", ["state", "lease_until"])


def downgrade() -> None:
    for table in (
        "ledger_rows",
        "saved_answers",
        "note_drafts",
        "approvals",
        "alerts",
        "screenings",
        "pending_launches",
        "legal_holds",
        "launch_sessions",
        "installation",
        "audit_head",
        "audit_events",
    ):
        op.drop_table(table)
