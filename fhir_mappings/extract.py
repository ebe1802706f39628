"""What signing writes to the chart, in write order: the SDC extraction of one screening result.

Source: SDC 4.0 observation-based extraction (http://hl7.org/fhir/uv/sdc/extraction.html), US Core 6.1 screening
assessment guidance. References among the planned resources are `urn:uuid:`; ids and times are arguments.
"""

from dataclasses import dataclass

from fhir_mappings.r4 import Json
from fhir_mappings.write_shape import ResourceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedResource:
    """One resource to create. Treat `resource` as frozen: its hash is what was signed.

    `key` names it within the plan ("observation:phq9-1"); `full_url` is "urn:uuid:…"; `depends_on` are the keys of the
    resources it refers to; `search` is the query that finds it again by our identifier ("identifier=…" or "_tag=…"),
    None where the shape left the identifier out.
    """

    key: str
    kind: ResourceKind
    full_url: str
    resource: Json
    identifier_value: str
    depends_on: tuple[str, ...]
    search: str | None
