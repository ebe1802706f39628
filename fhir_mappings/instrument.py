"""An instrument: one FHIR Bundle of Questionnaire, ObservationDefinitions and PlanDefinition, parsed once.

Sources: http://hl7.org/fhir/R4/bundle.html (collection); the Bundle's own rules in docs/instruments.md.
"""

from dataclasses import dataclass, field

from fhir_mappings.errors import UnknownItem
from fhir_mappings.questionnaire import EnableWhen, Item, Operator, Option
from fhir_mappings.r4 import Coding, Json
from fhir_mappings.risk_rule import NextInstrument, RiskRule
from fhir_mappings.score_definition import (
    Band,
    ChangeKind,
    ChangeThreshold,
    Cutoff,
    MissingRule,
    Points,
    ScoreDefinition,
)

__all__ = [
    "Band",
    "ChangeKind",
    "ChangeThreshold",
    "Coding",
    "Cutoff",
    "EnableWhen",
    "Instrument",
    "Item",
    "MissingRule",
    "NextInstrument",
    "Operator",
    "Option",
    "Points",
    "RiskRule",
    "ScoreDefinition",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instrument:
    """A screening instrument. Identity is the object's own: parse a Bundle once and keep it.

    `id` is the Questionnaire's id ("phq-9"), `coding` its panel code, `age_range` the validated ages in years (None:
    open end), `interval_days` the re-screen interval (None: none published). `attribution` and `loinc_notice` are
    shown wherever the text is.
    """

    id: str
    url: str
    version: str
    title: str
    short_name: str
    language: str
    coding: Coding
    instruction: str
    recall_period: str
    items: tuple[Item, ...]
    scores: tuple[ScoreDefinition, ...]
    risk_rules: tuple[RiskRule, ...]
    next_instruments: tuple[NextInstrument, ...]
    interval_days: int | None
    age_range: tuple[int | None, int | None]
    attribution: str
    loinc_notice: str
    questionnaire: Json = field(repr=False)
    observation_definitions: tuple[Json, ...] = field(repr=False)
    plan_definition: Json = field(repr=False)
    bundle: Json = field(repr=False)
    by_link_id: dict[str, Item] = field(repr=False)
    required_items: tuple[Item, ...] = field(repr=False)

    @property
    def canonical(self) -> str:
        """`url|version`, as QuestionnaireResponse.questionnaire names it."""
        return f"{self.url}|{self.version}"

    @property
    def edition(self) -> str:
        """`url|major`: versions of one major number have the same wording, options and scoring."""
        return edition_of(self.canonical)

    @property
    def asks_about_suicide(self) -> bool:
        """Whether some item carries a risk rule; if not, pages and notes say "suicide not asked"."""
        return bool(self.risk_rules)

    def get_item(self, link_id: str) -> Item:
        """Give the item. Raises: UnknownItem."""
        try:
            return self.by_link_id[link_id]
        except KeyError as error:
            raise UnknownItem("item.linkId", "no such item in this instrument") from error

    def get_score(self, score_id: str) -> ScoreDefinition:
        """Give the score's definition. Raises: UnknownItem."""
        for score in self.scores:
            if score.id == score_id:
                return score
        raise UnknownItem("score", "no such score in this instrument")


def edition_of(canonical: str) -> str:
    """Give `url|major` of a canonical `url|version`; a canonical without version is its own edition."""
    url, _, version = canonical.partition("|")
    return f"{url}|{version.split('.', 1)[0]}" if version else url
