"""A resource that signing plans to write, and the query that finds it again."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fhir_mappings.r4 import Json
from fhir_mappings.systems import RESULT_IDENTIFIER
from fhir_mappings.write_shape import ResourceKind, WriteShape

_SYSTEM: Final = quote(f"{RESULT_IDENTIFIER}|", safe="")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedResource:
    """One resource to create. Treat `resource` as frozen: its hash is what was signed.

    `key` names it within the plan ("observation:phq9-1"); `full_url` is "urn:uuid:…"; `depends_on` are the keys of the
    resources it refers to; `search` is the query that finds it again by our identifier ("identifier=…", for a
    Provenance "_tag=…"), None where the shape left the identifier out.
    """

    key: str
    kind: ResourceKind
    full_url: str
    resource: Json
    identifier_value: str
    depends_on: tuple[str, ...]
    search: str | None


def search_of(shape: WriteShape, value: str) -> str | None:
    """Give the search query, percent-encoded, that a conditional create or a look-up sends."""
    if not shape.include_identifier:
        return None
    # R4's Provenance has no identifier: it carries ours as a tag.
    parameter = "_tag" if shape.kind is ResourceKind.PROVENANCE else "identifier"
    return f"{parameter}={_SYSTEM}{quote(value, safe='')}"
