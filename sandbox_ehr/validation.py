"""Is this a valid R4 resource? Structure, primitive types, required codes, reference targets and the main invariants.

Driven by HL7's own definitions (definitions/elements.json, codes.json), so that this side of the wire shares no model
with the app.
Source: http://hl7.org/fhir/R4/validation.html. Not checked: profiles, extensible bindings, slices, most invariants.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sandbox_ehr.errors import Invalid, Malformed
from sandbox_ehr.invariants import find_broken_invariants
from sandbox_ehr.outcome import Issue
from sandbox_ehr.primitives import PRIMITIVES, find_primitive_fault
from sandbox_ehr.search_index import parse_reference
from sandbox_ehr.search_parameters import DEFINITIONS_DIRECTORY, RESOURCE_TYPES
from sandbox_ehr.store_session import StoreSession


class Element(NamedTuple):
    """One element of a type.

    maximum: 0 is many. group: `value[x]` for a choice. codes: a key of CODES or empty. targets: of a Reference.
    """

    type: str
    minimum: int
    maximum: int
    group: str
    codes: str
    targets: tuple[str, ...]


class ReferenceAt(NamedTuple):
    """A Reference found in a resource."""

    expression: str
    reference: str


def _load() -> tuple[dict[str, dict[str, Element]], dict[str, dict[str, frozenset[str]]]]:
    elements = json.loads((DEFINITIONS_DIRECTORY / "elements.json").read_text(encoding="utf-8"))
    codes = json.loads((DEFINITIONS_DIRECTORY / "codes.json").read_text(encoding="utf-8"))
    return (
        {
            name: {key: Element(row[0], row[1], row[2], row[3], row[4], tuple(row[5])) for key, row in table.items()}
            for name, table in elements.items()
        },
        {name: {system: frozenset(listed) for system, listed in table.items()} for name, table in codes.items()},
    )


ELEMENTS, CODES = _load()


def check_resource(resource: Mapping[str, Any]) -> list[ReferenceAt]:
    """Check one resource without the store and give the references it holds.

    Raises: Malformed without a known `resourceType`; Invalid with one issue per fault.
    """
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str):
        raise Malformed("The resource has no resourceType", expression="resourceType")
    if resource_type not in RESOURCE_TYPES:
        raise Malformed("This server does not have the resource type", expression="resourceType")
    contained_ids = {item["id"] for item in _contained(resource) if isinstance(item.get("id"), str)}
    check = _Check(contained=contained_ids)
    check.resource(resource, resource_type, top=True)
    if not check.issues:
        check.issues += find_broken_invariants(resource)
        check.unreferenced_contained(resource)
    if check.issues:
        raise Invalid(f"{len(check.issues)} faults", issues=check.issues)
    return check.references


def check_references(session: StoreSession, references: Sequence[ReferenceAt]) -> None:
    """Raise Invalid unless every relative reference points at a current resource of the store.

    Absolute references are refused as HAPI does; logical ones (identifier only) are not concerned.
    """
    issues = []
    for expression, reference in references:
        target = parse_reference(reference)
        if reference.startswith("#"):
            continue
        if target is None:
            text = "Neither a relative reference nor the fullUrl of an entry of the Bundle"
            issues.append(Issue(code="not-supported", text=text, expression=(expression,)))
        elif not session.exists(*target):
            text = "The resource referred to does not exist"
            issues.append(Issue(code="not-found", text=text, expression=(expression,)))
    if issues:
        raise Invalid("Broken references", issues=issues)


def _local_addresses(value: Any) -> Iterator[str]:
    """Yield what points into the resource: a reference, a canonical or another URI such as `#options`."""
    if isinstance(value, str):
        if value.startswith("#"):
            yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _local_addresses(child)


def _contained(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    listed = resource.get("contained", ())
    return (item for item in listed if isinstance(item, dict)) if isinstance(listed, list) else iter(())


@dataclass(kw_only=True)
class _Check:
    """One pass over a resource, collecting issues and references."""

    contained: set[str]
    issues: list[Issue] = field(default_factory=list)
    references: list[ReferenceAt] = field(default_factory=list)

    def fault(self, code: str, text: str, expression: str) -> None:
        self.issues.append(Issue(code=code, text=text, expression=(expression,)))

    def resource(self, resource: Any, path: str, *, top: bool) -> None:
        resource_type = resource.get("resourceType") if isinstance(resource, dict) else None
        if (
            not isinstance(resource_type, str)
            or resource_type not in CODES["resource-types"]["http://hl7.org/fhir/resource-types"]
        ):
            self.fault("structure", "Not a resource of a type of R4", path)
            return
        if not top and ("contained" in resource or "id" not in resource):
            self.fault("invariant", "A contained resource has an id and contains none (dom-2)", path)
        if resource_type in ELEMENTS:  # a contained resource of another type passes unread
            fields = {name: value for name, value in resource.items() if name != "resourceType"}
            self.members(fields, resource_type, path)

    def object(self, value: Any, table_name: str, path: str) -> None:
        """Check a value of a complex type, which is never empty (ele-1)."""
        if isinstance(value, dict) and value:
            self.members(value, table_name, path)
        else:
            self.fault("structure", "Not a JSON object with content", path)

    def members(self, value: Mapping[str, Any], table_name: str, path: str) -> None:
        """Check the elements of a resource or of a complex type."""
        table = ELEMENTS[table_name]
        present: dict[str, str] = {}
        for name, child in value.items():
            element = table.get(name.removeprefix("_"))
            here = f"{path}.{name}"
            if element is None or (name.startswith("_") and element.type not in PRIMITIVES):
                self.fault("structure", f"Unknown element in {table_name}", here)
            elif name.startswith("_"):
                present.setdefault(element.group or name[1:], name[1:])
                self.primitive_extension(child, element, here)
            else:
                if present.setdefault(element.group or name, name) != name:
                    self.fault("structure", f"More than one {element.group}", here)
                self.element(child, element, here, value.get(f"_{name}"))
        for name, element in table.items():
            if element.minimum and (element.group or name) not in present:
                present[element.group or name] = name
                self.fault("required", f"{element.group or name} is missing", f"{path}.{element.group or name}")

    def element(self, child: Any, element: Element, path: str, extension: Any) -> None:
        """Check that one element is a list or not as its definition says, then each value."""
        if element.maximum == 1:
            if isinstance(child, list):
                self.fault("structure", "Not a list in FHIR", path)
            else:
                self.value(child, element, path)
            return
        if not isinstance(child, list) or not child:
            self.fault("structure", "Not a list with content", path)
            return
        for position, item in enumerate(child):
            here = f"{path}[{position}]"
            beside = extension[position] if isinstance(extension, list) and position < len(extension) else None
            if item is None and element.type in PRIMITIVES and isinstance(beside, dict):
                continue
            self.value(item, element, here)

    def value(self, value: Any, element: Element, path: str) -> None:
        if element.type == "Resource":
            self.resource(value, path, top=False)
        elif element.type in PRIMITIVES:
            if fault := find_primitive_fault(element.type, value):
                self.fault("value", f"The value {fault}", path)
            elif element.codes and not any(value in codes for codes in CODES[element.codes].values()):
                self.fault("code-invalid", f"Not a code of {element.codes}", path)
        else:
            before = len(self.issues)
            self.object(value, element.type, path)
            if len(self.issues) == before:
                self.coded_or_reference(value, element, path)

    def coded_or_reference(self, value: dict[str, Any], element: Element, path: str) -> None:
        if element.codes and element.type in {"CodeableConcept", "Coding"}:
            codings = value.get("coding", ()) if element.type == "CodeableConcept" else (value,)
            if not any(c.get("code") in CODES[element.codes].get(c.get("system", ""), ()) for c in codings):
                self.fault("code-invalid", f"No coding of {element.codes}", path)
        if element.type == "Reference" and "reference" in value:
            self.reference(value["reference"], element, f"{path}.reference")

    def reference(self, reference: str, element: Element, path: str) -> None:
        self.references.append(ReferenceAt(path, reference))
        if reference.startswith("#"):
            if reference[1:] and reference[1:] not in self.contained:
                self.fault("not-found", "No contained resource has this id (ref-1)", path)
            return
        target = parse_reference(reference)
        if target and element.targets and "Resource" not in element.targets and target[0] not in element.targets:
            self.fault("value", f"A reference here points at {', '.join(element.targets)}", path)

    def primitive_extension(self, child: Any, element: Element, path: str) -> None:
        listed = child if isinstance(child, list) else [child]
        if isinstance(child, list) == (element.maximum == 1):
            self.fault("structure", "A list where FHIR has none, or none where it has", path)
            return
        for item in listed:
            if item is not None or element.maximum == 1:
                self.object(item, "Element", path)

    def unreferenced_contained(self, resource: Mapping[str, Any]) -> None:
        """Check dom-3: whatever is contained is referred to, or refers to the container."""
        pointed = set(_local_addresses(resource))
        for position, item in enumerate(_contained(resource)):
            if f"#{item['id']}" not in pointed and "#" not in pointed:
                self.fault(
                    "invariant",
                    "Contained but not referred to (dom-3)",
                    f"{resource['resourceType']}.contained[{position}]",
                )
