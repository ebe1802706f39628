"""The transaction Bundle, the exchange of urn:uuid references for real ones and back, and the hash that is signed.

Sources: http://hl7.org/fhir/R4/http.html#transaction; http://hl7.org/fhir/R4/bundle.html#references.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from fhir_mappings.errors import UnresolvedReference
from fhir_mappings.planned import PlannedResource
from fhir_mappings.r4 import Json, format_json


def build_transaction(planned: Iterable[PlannedResource], *, conditional: bool = False) -> Json:
    """Build a transaction of creates in plan order; `conditional` adds ifNoneExist by our identifier."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_entry(resource, conditional=conditional) for resource in planned],
    }


def _entry(planned: PlannedResource, *, conditional: bool) -> Json:
    request = {"method": "POST", "url": planned.kind.resource_type}
    if conditional and planned.search is not None:
        request["ifNoneExist"] = planned.search
    return {"fullUrl": planned.full_url, "resource": planned.resource, "request": request}


def find_references(value: Any) -> list[str]:
    """Give every literal reference in a resource, in document order."""
    found: list[str] = []
    _collect_references(value, found)
    return found


def _collect_references(value: Any, found: list[str]) -> None:
    if type(value) is dict:
        for name, child in value.items():
            # Only what nests is entered, told by exact type: this walk is much of what an extraction costs.
            if type(child) is dict or type(child) is list:
                _collect_references(child, found)
            elif name == "reference" and isinstance(child, str):
                found.append(child)
    elif type(value) is list:
        for child in value:
            _collect_references(child, found)


def replace_references(resource: Json, mapping: Mapping[str, str]) -> Json:
    """Give a copy with each `urn:uuid:` reference replaced by the EHR's ("Observation/12").

    Raises: UnresolvedReference for a urn:uuid that the mapping lacks, or where the resource already refers to one of
    the mapping's ids, for then it can't be undone.
    """
    given = frozenset(mapping.values())

    def replace(reference: str) -> str:
        if reference in given:
            raise UnresolvedReference("reference", "refers to a new resource by id already")
        if not reference.startswith("urn:uuid:"):
            return reference
        if reference not in mapping:
            raise UnresolvedReference("reference", "a planned resource that has no id yet")
        return mapping[reference]

    return {name: _exchange(child, replace) for name, child in resource.items()}


def restore_references(resource: Json, mapping: Mapping[str, str]) -> Json:
    """Undo `replace_references` with the same mapping, so that the signed hash can be checked again.

    Raises: UnresolvedReference where two planned resources share one id, for then it can't be undone.
    """
    back = {reference: urn for urn, reference in mapping.items()}
    if len(back) != len(mapping):
        raise UnresolvedReference("reference", "two planned resources have the same id")
    return {
        name: _exchange(child, lambda reference: back.get(reference, reference)) for name, child in resource.items()
    }


def _exchange(value: Any, exchange: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            name: exchange(child) if name == "reference" and isinstance(child, str) else _exchange(child, exchange)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [_exchange(child, exchange) for child in value]
    return value


def content_hash(resources: Iterable[Json]) -> str:
    """Give the SHA-256 (hex) of resources in their order, independent of key order and spacing.

    Decimals count as written (1.50 is not 1.5). Raises: InexactNumber for a float.
    """
    return sha256(b"\n".join(format_json(resource, sort_keys=True).encode() for resource in resources)).hexdigest()
