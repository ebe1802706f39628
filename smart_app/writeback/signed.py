"""Is a row still what was signed: its hash, and that of the whole approval, checked again before each send.

After signing the only change is a ``urn:uuid:`` reference becoming the id that the EHR gave; it is undone to compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_mappings.bundle import content_hash, replace_references, restore_references
from fhir_mappings.errors import MappingError
from fhir_mappings.planned import PlannedResource, search_of
from fhir_mappings.r4 import Json, parse_json_strict
from fhir_mappings.systems import RESULT_IDENTIFIER
from fhir_mappings.write_shape import ResourceKind, WriteShape
from smart_app.errors import AppError
from smart_app.model.approval import Approval
from smart_app.model.ledger import LedgerRow


class NotAsSigned(AppError):
    """What is stored is not what was signed: it is never sent."""

    code = "not-as-signed"
    title = "What is stored is not what was signed"
    remedy = "Nothing was sent. Tell the people who look after this app, with the number below."
    http_status = 500


def check_approval(approval: Approval, rows: Sequence[LedgerRow]) -> None:
    """Compare all resources of an approval with the hash that was signed. Raises: NotAsSigned."""
    try:
        resources = [_parse(row) for row in rows if row.resource]
    except MappingError as exc:
        raise NotAsSigned(field="resource") from exc
    if content_hash(resources) != approval.content_hash:
        raise NotAsSigned(field="content_hash")


def resource_to_send(row: LedgerRow, ids: Mapping[str, str]) -> Json:
    """Give a row's resource with the EHR's ids (urn:uuid → "Type/id") in it.

    Raises: NotAsSigned when undoing that does not give what was signed, or an id is missing.
    """
    try:
        resource = replace_references(_parse(row), ids)
        signed_again = content_hash([restore_references(resource, ids)])
    except MappingError as exc:
        raise NotAsSigned(field="resource") from exc
    if signed_again != row.content_hash:
        raise NotAsSigned(field="content_hash")
    return resource


def planned_resource(row: LedgerRow) -> PlannedResource:
    """Give a row as the entry of a transaction, with its ``urn:uuid:`` references. Raises: NotAsSigned."""
    try:
        resource = _parse(row)
    except MappingError as exc:
        raise NotAsSigned(field="resource") from exc
    if content_hash([resource]) != row.content_hash:
        raise NotAsSigned(field="content_hash")
    return PlannedResource(
        key=row.key,
        kind=ResourceKind(row.kind),
        full_url=row.full_url,
        resource=resource,
        identifier_value=row.identifier_value,
        depends_on=row.depends_on,
        search=find_search(row),
    )


def find_search(row: LedgerRow) -> str | None:
    """Give the query that finds a row's resource by our identifier, percent-encoded; None where it carries none."""
    shape = WriteShape(kind=ResourceKind(row.kind), include_identifier=carries(_parse(row), row.identifier_value))
    return search_of(shape, row.identifier_value)


def carries(resource: Mapping[str, Any], value: str) -> bool:
    """Tell whether a resource has our identifier of this value: ``identifier``, or ``meta.tag`` in a Provenance."""
    identifiers, meta = resource.get("identifier"), resource.get("meta")
    marks = identifiers if isinstance(identifiers, list) else [identifiers]
    tags = meta.get("tag") if isinstance(meta, Mapping) else None
    marks = [*marks, *(tags if isinstance(tags, list) else [])]
    return any(
        isinstance(mark, Mapping)
        and mark.get("system") == RESULT_IDENTIFIER
        and value in (mark.get("value"), mark.get("code"))
        for mark in marks
    )


def _parse(row: LedgerRow) -> Json:
    return parse_json_strict(row.resource.encode())
