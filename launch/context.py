"""What the EHR says is open: patient, encounter and the rest (SMART App Launch 2.2, "Launch context parameters").

The context is that of the moment of launch: it never follows a change of patient inside the EHR.
"""

from __future__ import annotations

from dataclasses import dataclass

from launch.fields import Fields
from launch.urls import InvalidUrl, find_reference, is_fhir_id, split_http_url

_LONGEST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextIdentifier:
    """`identifier` of a fhirContext entry: a business identifier instead of a reference."""

    system: str | None
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirContextItem:
    """One further resource of the launch. Exactly one or more of `reference`, `canonical`, `identifier` is there."""

    reference: str | None = None
    canonical: str | None = None
    identifier: ContextIdentifier | None = None
    type: str | None = None
    role: str = "launch"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchContext:
    """Launch context parameters. `patient` and `encounter` are ids relative to the FHIR base.

    `need_patient_banner` False only when the EHR says so. `smart_style_url` is an address that the EHR chose: it is
    fetched through Transport or not at all. `app_context` comes from a CDS Hooks card: the caller checks it against a
    fixed list.
    """

    patient: str | None = None
    encounter: str | None = None
    fhir_context: tuple[FhirContextItem, ...] = ()
    intent: str | None = None
    tenant: str | None = None
    need_patient_banner: bool = True
    smart_style_url: str | None = None
    app_context: str | None = None


def parse_launch_context(fields: Fields, *, fhir_base_url: str) -> LaunchContext:
    """Read the context parameters of a token response. Raises InvalidField.

    A wrong `patient` or `encounter` is an error; a fhirContext entry that breaks its rules is an error too, because
    an app that ignores it might show the wrong instrument.
    """
    return LaunchContext(
        patient=_find_id(fields, "patient"),
        encounter=_find_id(fields, "encounter"),
        fhir_context=tuple(_parse_item(item, fhir_base_url) for item in fields.objects("fhirContext")),
        intent=_find_short(fields, "intent"),
        tenant=_find_short(fields, "tenant"),
        need_patient_banner=fields.find_flag("need_patient_banner") is not False,
        smart_style_url=_find_url(fields, "smart_style_url"),
        app_context=_find_short(fields, "appContext"),
    )


def _parse_item(item: Fields, fhir_base_url: str) -> FhirContextItem:
    reference, canonical = _find_short(item, "reference"), _find_short(item, "canonical")
    nested = item.find_object("identifier")
    identifier = None
    if nested is not None:
        identifier = ContextIdentifier(system=_find_short(nested, "system"), value=nested.text("value"))
    if reference is None and canonical is None and identifier is None:
        raise item.fault("reference", "is missing, and canonical and identifier too")
    role = _find_short(item, "role") or "launch"
    if reference is not None:
        found = find_reference(reference, fhir_base_url=fhir_base_url)
        if found is None:
            raise item.fault("reference", "is not a reference on this EHR")
        if role == "launch" and found.resource_type in ("Patient", "Encounter"):
            raise item.fault("reference", "repeats patient or encounter without a role of its own")
    return FhirContextItem(
        reference=reference, canonical=canonical, identifier=identifier, type=_find_short(item, "type"), role=role
    )


def _find_id(fields: Fields, name: str) -> str | None:
    text = fields.find_text(name)
    if text is not None and not is_fhir_id(text):
        raise fields.fault(name, "is not a FHIR id")
    return text


def _find_short(fields: Fields, name: str) -> str | None:
    text = fields.find_text(name)
    if text is not None and len(text) > _LONGEST:
        raise fields.fault(name, "is too long")
    return text


def _find_url(fields: Fields, name: str) -> str | None:
    text = _find_short(fields, name)
    if text is None:
        return None
    try:
        split_http_url(text)
    except InvalidUrl as exc:
        raise fields.fault(name, str(exc)) from exc
    return text
