"""Names that are ours and no publisher's: score ids, local codes, the words that charts and alerts say.

Fact files have no such names; they stand here once, so that expected results can be written out whole.
"""

import re

BASE = "https://smart-screening.org/fhir"
LOCAL = f"{BASE}/CodeSystem/screening"

# (instrument, name of the subscale in its facts) → the last part of the score's id; "count" is a number of items.
SUBSCALES = {
    ("phq-4", "Anxiety (GAD-2)"): "anxiety",
    ("phq-4", "Depression (PHQ-2)"): "depression",
    ("audit", "Consumption"): "consumption",
    ("audit", "Dependence"): "dependence",
    ("audit", "Alcohol-related problems"): "problems",
    ("pcl-5", "Cluster B intrusion"): "cluster-b",
    ("pcl-5", "Cluster C avoidance"): "cluster-c",
    ("pcl-5", "Cluster D negative alterations in cognitions and mood"): "cluster-d",
    ("pcl-5", "Cluster E arousal and reactivity"): "cluster-e",
    ("psc-17", "Internalizing"): "internalizing",
    ("psc-17", "Attention"): "attention",
    ("psc-17", "Externalizing"): "externalizing",
    ("phq-15", "count"): "count",
}
# A subscale that is another instrument's total carries that instrument's code.
BORROWED_CODES = {"phq-4-anxiety": "gad-2-total"}

# Local score codes in words.
SCORE_NAMES = {
    "gad-2-total": "GAD-2 total score",
    "cage-aid-total": "CAGE-AID total score",
    "k6-total": "K6 total score (items 0 to 4)",
    "k10-total": "K10 total score (items 1 to 5)",
    "pcl-5-cluster-b": "PCL-5 cluster B score (intrusion)",
    "pcl-5-cluster-c": "PCL-5 cluster C score (avoidance)",
    "pcl-5-cluster-d": "PCL-5 cluster D score (negative alterations in cognitions and mood)",
    "pcl-5-cluster-e": "PCL-5 cluster E score (arousal and reactivity)",
    "asq-level": "ASQ result",
    "audit-dependence": "AUDIT dependence score",
    "audit-problems": "AUDIT alcohol-related problems score",
    "phq-15-count": "PHQ-15 number of symptoms rated 2 (bothered a lot)",
    "who-5-total": "WHO-5 raw score (0 to 25)",
    "who-5-percentage": "WHO-5 percentage score (raw score times 4)",
    "isi-total": "ISI total score",
    "mdq-total": "MDQ part 1: number of Yes",
    "mdq-result": "MDQ result",
    "asrs-v1.1-a-total": "ASRS v1.1 part A total score (0 to 24)",
    "oasis-total": "OASIS total score",
    "whodas-12-total": "WHODAS 2.0 12-item simple sum (items 0 to 4)",
    "psc-17-total": "PSC-17 total score",
    "psc-17-internalizing": "PSC-17 internalizing subscale score",
    "psc-17-attention": "PSC-17 attention subscale score",
    "psc-17-externalizing": "PSC-17 externalizing subscale score",
}

# Band words as charts say them: the published label without its diagnosis.
CHART_LABELS = {
    "None (normal)": "normal range",
    "Mild": "mild range",
    "Moderate": "moderate range",
    "Severe": "severe range",
    "No significant depressive symptoms": "minimal range",
    "No or minimal depression": "minimal range",
    "Low distress": "low distress range",
    "Moderate distress": "moderate distress range",
    "Serious psychological distress": "serious distress range",
    "Zone I: low risk": "zone I",
    "Zone II: hazardous": "zone II",
    "Zone III: harmful": "zone III",
    "Zone IV: possible dependence": "zone IV",
    "Minimal somatic symptom severity": "minimal range",
    "Low somatic symptom severity": "low range",
    "Medium somatic symptom severity": "medium range",
    "High somatic symptom severity": "high range",
    "No problems reported": "no problems reported",
    "Low level": "low range",
    "Moderate level": "moderate range",
    "Substantial level": "substantial range",
    "Severe level": "severe range",
    "No clinically significant insomnia": "lowest range",
    "Subthreshold insomnia": "subthreshold range",
    "Clinical insomnia (moderate severity)": "moderate range",
    "Clinical insomnia (severe)": "severe range",
    "Low negative": "low negative range",
    "High negative": "high negative range",
    "Low positive": "low positive range",
    "High positive": "high positive range",
    "Likely to be well": "lowest range",
    "Likely to have a mild disorder": "mild range",
    "Likely to have a moderate disorder": "moderate range",
    "Likely to have a severe disorder": "severe range",
    "Minimal depression": "minimal range",
    "Mild depression": "mild range",
    "Moderate depression": "moderate range",
    "Moderately severe depression": "moderately severe range",
    "Severe depression": "severe range",
    "Minimal anxiety": "minimal range",
    "Mild anxiety": "mild range",
    "Moderate anxiety": "moderate range",
    "Severe anxiety": "severe range",
}
# The population in the words of the facts → the ages that are validated, in years; None: open end.
AGES: dict[str, tuple[int | None, int | None]] = {
    "Adults 18+; also used from 12-13 years (see phq-a for the adolescent form); any setting": (18, None),
    "Adults; also studied at 11-17 years": (18, None),
    "Adults; adolescents 13-17 validated (Richardson 2010)": (13, None),
    "Adults; items 1-2 also studied at 11-17 years": (18, None),
    "Adults (18-94 years)": (18, None),
    "Adults; population surveys and settings without a way to act on a suicide item": (18, None),
    "Adolescents 12-18 years, self-report": (12, 18),
    "Adults (18+)": (18, None),
    "Adults; adolescents with lower cuts": (18, None),
    "Age 8 and older: youth and adult medical patients": (8, None),
    "Adults in primary care, first validated in veterans": (18, None),
    "Adults": (18, None),
    "Adults and adolescents": (18, None),
    "Age 9 years and older (recall), general and clinical": (18, None),
    "Adolescents and adults (about 11-12 years and older); other forms exist for young children": (12, None),
    "Perinatal: pregnancy and the first year after birth; also partners": (None, None),
    "Adults 18+": (18, None),
    "Adults; adolescents in surveys": (18, None),
    "Adults, primary care": (18, None),
    "Children and adolescents 4-16 (forms say 4-17), parent or caregiver report; a youth self-report form exists": (
        4,
        16,
    ),
}
# Answer lists with licensed words that several items share → how their local codes begin.
SHARED_ANSWERS = {"time-5-0": "who5-answer"}
# (instrument, points) of a cut-off that is published for some ages only → those ages.
AGED_CUTOFFS = {("phq-9", 11): (13, 17), ("phq-a", 11): (13, 17)}
# (linkId, LOINC code) in foreign data → the value of the option that it stands for.
EQUIVALENT_ANSWERS = {("gad7-2", "LA18938-3"): 2, ("gad2-2", "LA18938-3"): 2, ("phq4-2", "LA18938-3"): 2}
# Instructions that differ from the fact file's text, which there is a note or a description for staff.
INSTRUCTIONS = {
    "pcl-5": "Below is a list of problems that people sometimes have in response to a very stressful experience. "
    "Please read each problem carefully and then choose one of the answers to indicate how much you have been bothered "
    "by that problem in the past month. In the past month, how much were you bothered by:",
    "audit-c": "Now I am going to ask you some questions about your use of alcoholic beverages during this past year.",
    "pc-ptsd-5": "Sometimes things happen to people that are unusually or especially frightening, horrible, or "
    "traumatic. For example: a serious accident or fire; a physical or sexual assault or abuse; an earthquake or "
    "flood; a war; seeing someone be killed or seriously injured; having a loved one die through homicide or suicide.",
}
# (instrument, linkId) → what the alert says fired it.
REASONS = {
    ("phq-9", "phq9-9"): "Any answer above “Not at all”",
    ("phq-a", "phqa-9"): "Any answer above “Not at all”",
    ("phq-a", "phqa-12"): "Yes to serious thoughts in the past month about ending life",
    ("phq-a", "phqa-13"): "Yes to ever having attempted suicide",
    ("epds", "epds-10"): "Any answer above the lowest",
    **{("c-ssrs-screener", f"cssrs-{n}"): f"Yes to item {n}" for n in ("1", "2", "3", "4", "5", "6", "6a")},
    ("asq", "asq-1"): "Yes to item 1",
    ("asq", "asq-2"): "Yes to item 2",
    ("asq", "asq-3"): "Yes to item 3",
    ("asq", "asq-4"): "Yes to item 4",
    ("asq", "asq-5"): "Yes to item 5, thoughts right now",
}


def slug(words: str) -> str:
    """Give words as a local code has them: "A little bit" → "a-little-bit"."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def local_answer_code(option_set: str, words: str) -> str:
    """Give the local code of an answer that LOINC has no confirmed code for."""
    return f"{option_set}-{slug(words)}"
