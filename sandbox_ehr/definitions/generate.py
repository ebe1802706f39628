"""Derive the store's three tables from HL7's FHIR R4 packages: elements.json, codes.json, search_parameters.json.

Run after a change of RESOURCE_TYPES, with the unpacked packages hl7.fhir.r4.core and hl7.fhir.r4.expansions (4.0.1,
CC0-1.0):
`python -m sandbox_ehr.definitions.generate CORE/package EXPANSIONS/package`.
Source: http://hl7.org/fhir/R4/downloads.html.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

RESOURCE_TYPES = (
    "AuditEvent",
    "Binary",
    "CarePlan",
    "Communication",
    "Condition",
    "Consent",
    "DetectedIssue",
    "Device",
    "DocumentReference",
    "Encounter",
    "Flag",
    "Location",
    "Medication",
    "MedicationRequest",
    "Observation",
    "ObservationDefinition",
    "Organization",
    "Patient",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Task",
)
CONTAINED_TYPES = ("ValueSet", "CodeSystem")
LARGEST_CODE_LIST = 700
SKIPPED_CODE_LISTS = {"mimetypes", "all-languages"}
# What each search type can index, http://hl7.org/fhir/R4/search.html#table
INDEXABLE = {
    "token": {"CodeableConcept", "Coding", "Identifier", "ContactPoint", "code", "boolean", "string", "id", "uri"},
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "string": {"string", "HumanName", "Address", "markdown"},
    "reference": {"Reference", "canonical", "uri"},
    "uri": {"uri", "url", "canonical", "oid", "uuid"},
    "quantity": {"Quantity", "Age", "Duration", "Money", "SampledData"},
    "number": {"integer", "decimal", "positiveInt", "unsignedInt"},
}
FHIR_TYPE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"


class Definitions:
    """Reads StructureDefinitions on demand and collects the element tables of every type reached."""

    def __init__(self, core: Path, expansions: Path) -> None:
        self.core, self.expansions = core, expansions
        self.elements: dict[str, dict[str, list[Any]]] = {}
        self.codes: dict[str, dict[str, list[str]]] = {}
        self._pending: list[str] = []

    def collect(self, type_name: str) -> None:
        """Add a type and everything its elements are made of."""
        self._pending.append(type_name)
        while self._pending:
            name = self._pending.pop()
            if name not in self.elements and name[0].isupper() and name != "Resource":
                self._add_type(name)

    def _add_type(self, name: str) -> None:
        snapshot = json.loads((self.core / f"StructureDefinition-{name}.json").read_text())["snapshot"]["element"]
        self.elements[name] = {}
        for element in snapshot[1:]:
            parent, _, leaf = element["path"].rpartition(".")
            maximum = 0 if element["max"] == "*" else int(element["max"])
            codes = self._required_codes(element.get("binding"))
            table = self.elements.setdefault(parent, {})
            for type_code, targets in self._types(element):
                key, group = leaf, ""
                if leaf.endswith("[x]"):
                    key, group = leaf[:-3] + type_code[0].upper() + type_code[1:], leaf
                table[key] = [type_code, element["min"], maximum, group, codes, targets]
                if "." not in type_code:
                    self._pending.append(type_code)

    def _types(self, element: dict[str, Any]) -> list[tuple[str, list[str]]]:
        if "contentReference" in element:
            return [(element["contentReference"].lstrip("#"), [])]
        found = []
        for entry in element["type"]:
            code = entry["code"]
            if code in {"BackboneElement", "Element"} and "." in element["path"]:
                code = element["path"]
            if code.startswith("http://hl7.org/fhirpath/"):
                code = next(
                    (e["valueUrl"] for e in entry.get("extension", ()) if e["url"] == FHIR_TYPE_EXTENSION), "string"
                )
            profiles = entry.get("targetProfile", ()) if code == "Reference" else ()
            found.append((code, sorted(profile.rpartition("/")[2] for profile in profiles)))
        return found

    def _required_codes(self, binding: dict[str, Any] | None) -> str:
        if binding is None or binding["strength"] != "required":
            return ""
        name = str(binding.get("valueSet", "")).partition("|")[0].rpartition("/")[2]
        path = self.expansions / f"ValueSet-{name}.json"
        if not path.exists():
            path = self.expansions / f"ValueSet-{name}"
        if name in SKIPPED_CODE_LISTS or not path.exists():
            return ""
        if name not in self.codes:
            by_system: dict[str, list[str]] = {}
            _flatten(json.loads(path.read_text()).get("expansion", {}).get("contains", []), by_system)
            if not 0 < sum(map(len, by_system.values())) <= LARGEST_CODE_LIST:
                return ""
            self.codes[name] = {system: sorted(codes) for system, codes in sorted(by_system.items())}
        return name


def _flatten(contains: list[dict[str, Any]], by_system: dict[str, list[str]]) -> None:
    for entry in contains:
        if not entry.get("abstract") and "code" in entry:
            by_system.setdefault(entry["system"], []).append(entry["code"])
        _flatten(entry.get("contains", []), by_system)


def _compile(expression: str, search_type: str, resource_type: str, elements: dict[str, Any]) -> list[list[str]]:
    """Give [path, datatype] pairs for the parts of a search expression that concern one resource type."""
    paths: list[list[str]] = []
    for part in (p.strip() for p in expression.split("|")):
        plain = re.sub(r"^\((.*) as (\w+)\)$", r"\1.as(\2)", part)
        segments = re.findall(r"where\([^()]*(?:\(\)[^()]*)?\)|as\(\w+\)|\w+", plain)
        if segments[0] != resource_type or "exists" in plain or "extension" in plain:
            continue
        paths += _walk(segments[1:], resource_type, "", search_type, elements)
    return paths


def _walk(segments: list[str], table: str, path: str, search_type: str, elements: dict[str, Any]) -> list[list[str]]:
    if not segments:
        return [[path, table]] if table in INDEXABLE[search_type] else []
    head, rest = segments[0], segments[1:]
    if head.startswith("where("):
        return _walk(rest, table, f"{path}.{head}", search_type, elements)
    columns = elements.get(table, {})
    names = [name for name, row in columns.items() if name == head or row[3] == f"{head}[x]"]
    if rest and rest[0].startswith("as("):
        wanted = rest[0][3:-1]
        names = [name for name in names if columns[name][0] == wanted]
        rest = rest[1:]
    return [
        found
        for name in names
        for found in _walk(rest, columns[name][0], f"{path}.{name}".lstrip("."), search_type, elements)
    ]


def main(core: Path, expansions: Path, out: Path) -> None:
    """Write the three tables into `out`."""
    definitions = Definitions(core, expansions)
    for name in (*RESOURCE_TYPES, *CONTAINED_TYPES, "Element"):
        definitions.collect(name)
    searches: dict[str, dict[str, Any]] = {name: {} for name in RESOURCE_TYPES}
    for path in sorted(core.glob("SearchParameter-*.json")):
        parameter = json.loads(path.read_text())
        for base in set(parameter.get("base", ())) & set(RESOURCE_TYPES):
            if parameter["type"] not in INDEXABLE or "expression" not in parameter or parameter["code"] == "phonetic":
                continue
            paths = _compile(parameter["expression"], parameter["type"], base, definitions.elements)
            if paths:
                searches[base][parameter["code"]] = {
                    "type": parameter["type"],
                    "definition": parameter["url"],
                    "paths": paths,
                    "targets": sorted(set(parameter.get("target", ())) & set(RESOURCE_TYPES)),
                }
    compartment = json.loads((core / "CompartmentDefinition-patient.json").read_text())["resource"]
    patient = {row["code"]: row["param"] for row in compartment if row["code"] in RESOURCE_TYPES and "param" in row}
    _write(out / "elements.json", definitions.elements)
    _write(out / "codes.json", definitions.codes)
    _write(out / "patient_compartment.json", patient)
    _write(out / "search_parameters.json", searches)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write one line per key, so that a change of a definition shows as a change of its line."""
    lines = (f"{json.dumps(key)}: {json.dumps(content[key], separators=(',', ':'))}" for key in sorted(content))
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(__file__).parent)
