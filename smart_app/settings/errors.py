"""What is wrong with the settings: every fault, each with where it is; never a value, which may be a secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smart_app.errors import AppError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: ``where`` is the setting (``ehr[clinic].fhir_base_url``), ``problem`` a sentence about it."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


class SettingsError(AppError):
    """The settings cannot be used; ``faults`` names all that is wrong with them."""

    code = "invalid-settings"
    title = "The settings cannot be used"
    remedy = "Correct each of the faults named, then start again."
    http_status = 500

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
