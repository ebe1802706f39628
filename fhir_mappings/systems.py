"""Every code system, extension and canonical URI that this package reads or writes, each with its source.

HL7's own stand first; ours hang under `CANONICAL_BASE`, and are described in docs/instruments.md.
"""

from typing import Final

# Code systems -----------------------------------------------------------------------------------------------------
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
# http://hl7.org/fhir/R4/valueset-observation-category.html
OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
# US Core 6.1, CodeSystem us-core-category: the screening-assessment slice of Observation.category
US_CORE_CATEGORY: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
# US Core 6.1, us-core-documentreference: category slice
US_CORE_DOCUMENT_CATEGORY: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
# http://hl7.org/fhir/R4/valueset-observation-interpretation.html
OBSERVATION_INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
# http://hl7.org/fhir/R4/valueset-data-absent-reason.html
DATA_ABSENT_REASON: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
# http://hl7.org/fhir/R4/valueset-provenance-agent-type.html
PROVENANCE_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
# http://hl7.org/fhir/R4/valueset-provenance-activity-type.html
DATA_OPERATION: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
# http://hl7.org/fhir/R4/extension-questionnaireresponse-completionmode.html
PARTICIPATION_MODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
# http://hl7.org/fhir/R4/valueset-administrative-gender.html
ADMINISTRATIVE_GENDER: Final = "http://hl7.org/fhir/administrative-gender"

# Profiles ---------------------------------------------------------------------------------------------------------
US_CORE_SCREENING: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment"
US_CORE_RESPONSE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-questionnaireresponse"
US_CORE_DOCUMENT: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference"
US_CORE_PROVENANCE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-provenance"

# HL7 extensions ---------------------------------------------------------------------------------------------------
_CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
_SDC: Final = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
# The weight of an answer has two names: itemWeight today, ordinalValue in R4 core. Both are written, either is read.
ITEM_WEIGHT: Final = _CORE + "itemWeight"
ORDINAL_VALUE: Final = _CORE + "ordinalValue"
HIDDEN: Final = _CORE + "questionnaire-hidden"
UNIT: Final = _CORE + "questionnaire-unit"
UNIT_OPTION: Final = _CORE + "questionnaire-unitOption"
MIN_VALUE: Final = _CORE + "minValue"
MAX_VALUE: Final = _CORE + "maxValue"
VARIABLE: Final = _CORE + "variable"
DATA_ABSENT_REASON_EXTENSION: Final = _CORE + "data-absent-reason"
COMPLETION_MODE: Final = _CORE + "questionnaireresponse-completionMode"
CALCULATED_EXPRESSION: Final = _SDC + "sdc-questionnaire-calculatedExpression"

# Ours -------------------------------------------------------------------------------------------------------------
CANONICAL_BASE: Final = "https://smart-screening.org/fhir"
_OURS: Final = CANONICAL_BASE + "/StructureDefinition/"
# Identifier.system of every resource that signing writes; the value is the UUID fixed at signing.
RESULT_IDENTIFIER: Final = CANONICAL_BASE + "/NamingSystem/result"
# Identifier.system of an ObservationDefinition, which has no url in R4.
SCORE_IDENTIFIER: Final = CANONICAL_BASE + "/NamingSystem/score"
# ObservationDefinition.qualifiedInterval.context: `severity-band` or `cut-off`
SCORE_INTERVAL: Final = CANONICAL_BASE + "/CodeSystem/score-interval"
# PlanDefinition.action.code: `risk-alert`, `advice`, `next-instrument` or `re-screen`
ACTION_CODE: Final = CANONICAL_BASE + "/CodeSystem/action"
# Panels, items, scores, answers and levels that LOINC has no confirmed code for.
SCREENING_CODE: Final = CANONICAL_BASE + "/CodeSystem/screening"

EXT_INSTRUMENT: Final = _OURS + "instrument"
EXT_SCORE_DEFINITION: Final = _OURS + "score-definition"
# The short name of an item whose wording is licensed and not shipped.
EXT_ITEM_LABEL: Final = _OURS + "item-label"
EXT_EQUIVALENT_ANSWER: Final = _OURS + "equivalent-answer"
EXT_SEVERITY_BAND: Final = _OURS + "severity-band"
EXT_CUT_OFF: Final = _OURS + "cut-off"
EXT_MISSING_ITEM_RULE: Final = _OURS + "missing-item-rule"
EXT_CHANGE_THRESHOLD: Final = _OURS + "change-threshold"
EXT_RISK_RULE: Final = _OURS + "risk-rule"
# The R4 administrative gender to whom alone an item need apply.
EXT_APPLIES_TO: Final = _OURS + "applies-to"
EXT_LEVEL: Final = _OURS + "level"
EXT_OPEN_LEVEL: Final = _OURS + "open-level"
EXT_SCORE_DIRECTION: Final = _OURS + "score-direction"
# Where to get the wording of an instrument that is shipped without it.
EXT_NEEDS_TEXT: Final = _OURS + "needs-licensed-text"
EXT_ADMINISTRATION: Final = _OURS + "administration"
EXT_CARRIED_ANSWER: Final = _OURS + "carried-answer"
