"""Keep the Questionnaires that an EHR has named in fhirContext."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ehr_questionnaires",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("ehr_id", sa.String(length=64), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ehr_questionnaires"),
    )


def downgrade() -> None:
    op.drop_table("ehr_questionnaires")
