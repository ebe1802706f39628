"""The clinic and its staff as FHIR R4 resources in US Core shape (http://hl7.org/fhir/us/core/STU6.1/)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Resource = dict[str, Any]

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"


def build_site(site: Mapping[str, Any]) -> Iterator[Resource]:
    """Give Organization, Location, and per member of staff a Practitioner and a PractitionerRole."""
    organization, location = site["organization"], site["location"]
    yield {
        "resourceType": "Organization",
        "id": organization["id"],
        "meta": {"profile": [f"{US_CORE}/us-core-organization"]},
        "active": True,
        "name": organization["name"],
        "telecom": [{"system": "phone", "value": organization["phone"], "use": "work"}],
    }
    yield {
        "resourceType": "Location",
        "id": location["id"],
        "meta": {"profile": [f"{US_CORE}/us-core-location"]},
        "status": "active",
        "name": location["name"],
        "managingOrganization": {"reference": f"Organization/{organization['id']}"},
    }
    for member in site["staff"]:
        yield from _build_member(member, site)


def build_related_persons(site: Mapping[str, Any]) -> Iterator[Resource]:
    """Give the RelatedPersons, whose patients must be in the store before them."""
    for person in site["related_persons"]:
        coding = person["relationship"]
        yield {
            "resourceType": "RelatedPerson",
            "id": person["id"],
            "meta": {"profile": [f"{US_CORE}/us-core-relatedperson"]},
            "active": True,
            "patient": {"reference": f"Patient/{person['patient']}"},
            "relationship": [{"coding": [coding], "text": coding["display"]}],
            "name": [{"use": "official", "family": person["family"], "given": person["given"]}],
            "gender": person["gender"],
        }


def staff_names(site: Mapping[str, Any]) -> dict[str, str]:
    """Give Practitioner id → name as displayed in references."""
    return {member["id"]: _display(member) for member in site["staff"]}


def _display(member: Mapping[str, Any]) -> str:
    name = " ".join([*member["given"], member["family"]])
    return f"{member['prefix']} {name}" if "prefix" in member else name


def _build_member(member: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[Resource]:
    name: dict[str, Any] = {"use": "official", "family": member["family"], "given": member["given"]}
    if "prefix" in member:
        name["prefix"] = [member["prefix"]]
    name["suffix"] = [member["suffix"]]
    yield {
        "resourceType": "Practitioner",
        "id": member["id"],
        "meta": {"profile": [f"{US_CORE}/us-core-practitioner"]},
        "identifier": [{"system": site["systems"]["staff"], "value": member["id"]}],
        "active": True,
        "name": [name],
        "gender": member["gender"],
    }
    yield {
        "resourceType": "PractitionerRole",
        "id": f"role-{member['id'].removeprefix('prac-')}",
        "meta": {"profile": [f"{US_CORE}/us-core-practitionerrole"]},
        "active": True,
        "practitioner": {"reference": f"Practitioner/{member['id']}", "display": _display(member)},
        "organization": {
            "reference": f"Organization/{site['organization']['id']}",
            "display": site["organization"]["name"],
        },
        "code": [{"coding": member["codes"], "text": member["role"]}],
        "location": [{"reference": f"Location/{site['location']['id']}"}],
        "telecom": [{"system": "phone", "value": site["organization"]["phone"], "use": "work"}],
    }
