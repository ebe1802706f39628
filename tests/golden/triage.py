"""The level of a triage instrument by its published rules, written out again and by another road than the product's.

ASQ and C-SSRS have no total. Facts: `triage` in tests/data/facts/asq.json and c-ssrs-screener.json. The ASQ rules are
read off answer by answer; the C-SSRS level is found by trying every way to answer what is still open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from tests.golden.published import Given

ASQ_LEVELS = ("negative", "non-acute positive", "acute positive")
ASQ_OPEN = "positive, acuity not known"
CSSRS_LEVELS = ("none", "low", "moderate", "high")
MDQ_LEVELS = ("negative", "positive")
YES, NO = 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedLevel:
    """The lowest and the highest level that may still hold (ranks), and what is said of it, None: nothing yet."""

    low: int
    high: int
    label: str | None

    @property
    def value(self) -> int | None:
        """The level, None while two are possible."""
        return self.low if self.low == self.high else None

    @property
    def positive(self) -> bool | None:
        """Positive from the second level on; negative only where the lowest level is sure."""
        return True if self.low > 0 else False if self.high == 0 else None


def expected_asq(given: Given) -> ExpectedLevel:
    """ASQ as handed in: a Yes, a refusal or a blank among items 1 to 4 is positive; item 5 tells how acute.

    Where items 1 to 4 are all No, item 5 is not asked: a No to it does not count, and a Yes contradicts them.
    """
    first_four = [given.get(f"asq-{number}") for number in (1, 2, 3, 4)]
    if first_four == [NO] * 4:
        if given.get("asq-5") == YES:
            return ExpectedLevel(low=0, high=2, label=None)
        return ExpectedLevel(low=0, high=0, label=ASQ_LEVELS[0])
    acuity = given.get("asq-5")
    if acuity == YES:
        return ExpectedLevel(low=2, high=2, label=ASQ_LEVELS[2])
    if acuity == NO:
        return ExpectedLevel(low=1, high=1, label=ASQ_LEVELS[1])
    return ExpectedLevel(low=1, high=2, label=ASQ_OPEN)


def expected_cssrs(given: Given) -> ExpectedLevel:
    """C-SSRS as handed in: the level over every way to answer what is open; 6 Yes with 6a open is high."""
    return _expected_cssrs(frozenset((item, value) for item, value in given.items() if isinstance(value, int)))


@cache
def _expected_cssrs(answers: frozenset[tuple[str, int]]) -> ExpectedLevel:
    asked = _keep_asked(dict(answers))
    if asked.get("cssrs-6") == YES and "cssrs-6a" not in asked:
        asked["cssrs-6a"] = YES
    levels = {_cssrs_level(filled) for filled in _cssrs_completions(asked)}
    low, high = min(levels), max(levels)
    if any(value == YES and item not in asked for item, value in answers):
        high = 3  # told where nothing was asked: nothing lower is sure
    if low == high:
        return ExpectedLevel(low=low, high=high, label=CSSRS_LEVELS[low])
    return ExpectedLevel(low=low, high=high, label=f"at least {CSSRS_LEVELS[low]}, incomplete" if low else None)


def expected_mdq(given: Given) -> ExpectedLevel:
    """MDQ: 7 or more Yes in part 1, Yes to part 2, and a moderate or serious problem in part 3; all three decide."""
    part_1 = [given.get(f"mdq-1-{number}") for number in range(1, 14)]
    yes, open_items = part_1.count(YES), sum(not isinstance(answer, int) for answer in part_1)
    part_2, part_3 = given.get("mdq-2"), given.get("mdq-3")
    sure = yes >= 7 and part_2 == YES and isinstance(part_3, int) and part_3 >= 2
    impossible = yes + open_items < 7 or part_2 == NO or (isinstance(part_3, int) and part_3 < 2)
    if sure or impossible:
        return ExpectedLevel(low=int(sure), high=int(sure), label=MDQ_LEVELS[int(sure)])
    return ExpectedLevel(low=0, high=1, label=None)


def _cssrs_completions(asked: dict[str, int]) -> Iterator[dict[str, int]]:
    items = [f"cssrs-{number}" for number in ("1", "2", "3", "4", "5", "6", "6a")]
    choices = [(asked[item],) if item in asked else (NO, YES) for item in items]
    for values in product(*choices):
        yield _keep_asked(dict(zip(items, values, strict=True)))


def _keep_asked(answers: dict[str, int]) -> dict[str, int]:
    """Items 3 to 5 are asked after Yes to item 2, item 6a after Yes to item 6; other answers to them do not count."""
    dropped = set()
    if answers.get("cssrs-2") != YES:
        dropped |= {"cssrs-3", "cssrs-4", "cssrs-5"}
    if answers.get("cssrs-6") != YES:
        dropped.add("cssrs-6a")
    return {item: value for item, value in answers.items() if item not in dropped}


def _cssrs_level(answers: dict[str, int]) -> int:
    """The most worrying Yes decides."""
    yes = {item.removeprefix("cssrs-") for item, value in answers.items() if value == YES}
    if yes & {"4", "5", "6a"}:
        return 3
    if yes & {"3", "6"}:
        return 2
    return 1 if yes & {"1", "2"} else 0
