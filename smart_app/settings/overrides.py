"""Settings from the environment: ``SMART_SCREENING_<SECTION>_<KEY>``, and ``…_EHR_<ID>_<KEY>`` for one EHR.

An id is written in capitals with ``_`` for ``-``. Lists and tables are JSON; everything else is the plain value. A
variable with our prefix that names no setting is a fault: a mistyped override must not pass unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from smart_app.settings.errors import Fault

PREFIX = "SMART_SCREENING_"
CONFIG = PREFIX + "CONFIG"


def apply_overrides(
    values: dict[str, Any],
    environ: Mapping[str, str],
    sections: Mapping[str, type[BaseModel]],
    ehr_entry: type[BaseModel],
    faults: list[Fault],
) -> dict[str, Any]:
    """Give the file's values with those of the environment laid over them."""
    merged: dict[str, Any] = {
        name: dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    entries = merged.get("ehr")
    ehrs = [dict(entry) if isinstance(entry, dict) else entry for entry in entries] if isinstance(entries, list) else []
    if ehrs:
        merged["ehr"] = ehrs
    for variable in sorted(name for name in environ if name.startswith(PREFIX) and name != CONFIG):
        target, model, key = _find_target(variable, merged, sections, ehr_entry, ehrs)
        if target is None or key not in model.model_fields:
            faults.append(Fault(where=variable, problem="names no setting"))
            continue
        target[key] = _parse(environ[variable])
    return merged


def _find_target(
    variable: str,
    merged: dict[str, Any],
    sections: Mapping[str, type[BaseModel]],
    ehr_entry: type[BaseModel],
    ehrs: list[Any],
) -> tuple[dict[str, Any] | None, type[BaseModel], str]:
    rest = variable.removeprefix(PREFIX)
    for entry in ehrs:
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            prefix = "EHR_" + entry["id"].upper().replace("-", "_") + "_"
            if rest.startswith(prefix) and rest.removeprefix(prefix).lower() in ehr_entry.model_fields:
                return entry, ehr_entry, rest.removeprefix(prefix).lower()
    name, _, key = rest.lower().partition("_")
    if name not in sections:
        return None, ehr_entry, key
    table = merged.setdefault(name, {})
    return (table if isinstance(table, dict) else None), sections[name], key


def _parse(text: str) -> Any:
    if text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
