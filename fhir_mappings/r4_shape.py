"""Check the R4 shape of a resource from outside: unknown elements, cardinalities and JSON types.

Source: http://hl7.org/fhir/R4/; done by the R4B models of fhir.resources (R4B equals R4 for the resources used here).
They accept any string as a code and rewrite what they read, so codes are checked where they are read, and the received
value is kept, never the model's.
"""

from fhir_mappings.errors import MalformedResource
from fhir_mappings.r4 import Json, format_json


def check_r4(resource: Json) -> None:
    """Check one resource. Raises: MalformedResource naming the first element that is not of R4 shape."""
    # Imported here: the models take about a second, and `instruments check` alone needs them.
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415  # see above
    from pydantic import ValidationError  # noqa: PLC0415  # comes with the models

    name = resource.get("resourceType")
    if not isinstance(name, str):
        raise MalformedResource("resourceType", "missing")
    try:
        model = get_fhir_model_class(name)
    except ValueError:
        raise MalformedResource("resourceType", "not a resource of R4") from None
    try:
        model.model_validate_json(format_json(resource))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        # An element that R4 does not know is named by its parent: its own name is foreign text.
        known = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
        path = ".".join((name, *map(str, known)))
        # `from None`: the models' error carries what it refused, which may be a patient's.
        raise MalformedResource(path, "not of R4 shape") from None
