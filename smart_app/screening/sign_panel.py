"""The sign panel: what blocks signing in words, the choices of safety rule 13, and the hash of what is displayed."""

from __future__ import annotations

from smart_app.model.rights import Right
from smart_app.screening.form_words import name_item
from smart_app.screening.frame import build_banner
from smart_app.screening.review_material import Material
from smart_app.screening.review_views import Blocker, SignView
from smart_app.screening.views import Choice
from smart_app.services import Acting, Services


def build_sign(app: Services, who: Acting, material: Material) -> SignView:
    """Build the panel."""
    blockers = find_blockers(app, who, material)
    plan, patient = material.plan, material.chart.patient
    banner = build_banner(app, who, material.chart)
    name = patient.name
    supervisor = f"your supervisor, {material.supervisor_name}," if material.supervisor_name else "your supervisor"
    signer = f"Signed by {who.user.name}" if Right.SIGN in who.rights else "To be signed by somebody who may sign"
    return SignView(
        may_sign=not blockers,
        blockers=blockers,
        statement=(
            f"{signer}, for {name}, born {banner.born}, MRN {banner.mrn}, visit: {banner.visit}. "
            "Patient, visit and user are checked again before each item is sent."
        ),
        choices=tuple(
            Choice(value=option.choice, label=option.label, chosen=option.choice is plan.choice)
            for option in plan.options
        ),
        choices_notice=plan.minor_notice,
        asks_deceased=patient.deceased,
        co_sign_notice=("" if find_supervisor(who) is None else f"Nothing is sent before {supervisor} has signed too."),
        displayed_hash=material.displayed_hash,
    )


def find_supervisor(who: Acting) -> str | None:
    """Give whose signature must come first (fhirUser reference or subject), None where the user signs alone."""
    rule = who.rights.get(Right.SIGN)
    return None if rule is None else rule.supervisor


def find_blockers(app: Services, who: Acting, material: Material) -> tuple[Blocker, ...]:
    """Give what must be settled before signing, what cannot wait first."""
    blockers = [
        Blocker(
            code="alert-open",
            text=(
                f"The alert on {name_item(material.instrument, alert.link_id)} is open. "
                "Close it, or hand it over to a named person."
            ),
            anchor=f"alert-{alert.id}",
        )
        for alert in material.alerts
        if alert.blocks_signing
    ]
    if Right.SIGN not in who.rights:
        text = "You may not sign here. The result is kept; a clinician with the right signs it in their own launch."
        blockers.append(Blocker(code="no-right", text=text, anchor="sign"))
    if material.chart.patient.replaced_by is not None:
        text = "The EHR has merged this patient's record into another one. Open the app from that record."
        blockers.append(Blocker(code="patient-replaced", text=text, anchor="banner"))
    if who.session.encounter_id is None:
        text = "No visit is chosen. Choose the one that the result belongs to, or none."
        blockers.append(Blocker(code="visit-not-chosen", text=text, anchor="encounter"))
    elif who.session.encounter_id and material.chart.visit is None:
        text = (
            f"Visit: {material.chart.visit_notice}. Choose another one or none, or open the app again from the visit."
        )
        blockers.append(Blocker(code="visit-not-read", text=text, anchor="encounter"))
    blockers += [Blocker(code="note-facts", text=problem, anchor="note") for problem in material.note.problems]
    return tuple(blockers)
