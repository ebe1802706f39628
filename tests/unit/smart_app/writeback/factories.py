"""A ledger row in the middle of being sent; a test overrides only what it is about."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from smart_app.model.ledger import LedgerRow, RowState
from tests.fakes.signing import NOW

ROW = LedgerRow(
    id=UUID(int=1),
    approval_id=UUID(int=2),
    ordinal=1,
    key="questionnaire-response",
    kind="questionnaire-response",
    resource_type="QuestionnaireResponse",
    full_url="urn:uuid:1",
    identifier_value="1",
    resource="{}",
    content_hash="",
    depends_on=(),
    state=RowState.SENDING,
    attempt=1,
    lease_until=NOW + timedelta(minutes=2),
    sent_at=NOW,
)
