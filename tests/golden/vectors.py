"""Which answers the golden cases hold, from the fact files alone: both sides of every edge, and what can be missing."""

from collections.abc import Collection, Iterator

from tests.golden.published import DECLINED, Given, Published, PublishedItem, PublishedScore

Vector = dict[str, int | str]


def vectors(published: Published) -> dict[str, Vector]:
    """Case name → the answers: linkId → option value or declined; what is absent was not reached."""
    cases: dict[str, Vector] = {}
    for name, answers in _cases(published):
        cases.setdefault(name, _with_the_rest(published, name, answers))
    return cases


def _cases(published: Published) -> Iterator[tuple[str, Vector]]:
    yield "lowest", _each(published, 0)
    yield "highest", _each(published, -1)
    # With these and the two above, every option of every scored item is chosen once.
    for place in range(1, max(len(item.options) for item in _asked_about(published)) - 1):
        yield f"every-item-{place}", _each(published, place)
    yield "all-missing", {}
    if not published.scores and published.risks:
        yield from _levels(published)
        return
    if published.id == "mdq":
        yield from _mdq()
    for score in published.scores:
        prefix = "" if score.id.endswith("-total") else score.id.removeprefix(f"{published.id}-") + "-"
        yield from _edges(published, score, f"{prefix or 'total-'}")
        yield from _missing(published, score, prefix)
    yield from _gates(published)
    yield from _risks(published)


def _levels(published: Published) -> Iterator[tuple[str, Vector]]:
    """A triage instrument: each item alone, refused and not reached; tests try every combination besides."""
    none = _each(published, 0)
    for item in published.items:
        # An item that waits for others is asked after a Yes to the first of those.
        first = dict.fromkeys(item.gates[:1], 1)
        rest = {link_id: value for link_id, value in (none | first).items() if link_id != item.link_id}
        yield f"item-{item.number}-alone", _asked_only(published, {**rest, item.link_id: 1}, 0)
        yield f"item-{item.number}-declined", _asked_only(published, {**rest, item.link_id: DECLINED}, None)
        yield f"item-{item.number}-missing", _asked_only(published, rest, None)
        if first:
            yield f"item-{item.number}-no", _asked_only(published, {**rest, item.link_id: 0}, 0)
    if published.id == "asq":
        yield "acute", {**none, "asq-3": 1, "asq-5": 1}
        yield "not-acute", {**none, "asq-3": 1, "asq-5": 0}
        yield "acuity-not-known", {**none, "asq-3": 1, "asq-5": DECLINED}
        yield "refused-and-acute", {**none, "asq-2": DECLINED, "asq-5": 1}


def _mdq() -> Iterator[tuple[str, Vector]]:
    """Each of the three rules of its result just met, just missed and open."""

    def answers(yes: int, part_2: int | None, part_3: int | None) -> Vector:
        given: Vector = {f"mdq-1-{number}": int(number <= yes) for number in range(1, 14)}
        return given | {link: v for link, v in (("mdq-2", part_2), ("mdq-3", part_3)) if v is not None}

    yield "positive", answers(7, 1, 2)
    yield "positive-by-the-last-seven", answers(13, 1, 2) | {f"mdq-1-{number}": 0 for number in range(1, 7)}
    yield "six-yes", answers(6, 1, 3)
    yield "part-2-no", answers(13, 0, 3)
    yield "minor-problem", answers(13, 1, 1)
    yield "part-2-missing", answers(7, None, 2)
    yield "part-3-missing", answers(7, 1, None)
    yield "one-yes-missing", {link: value for link, value in answers(7, 1, 3).items() if link != "mdq-1-1"}


def _asked_about(published: Published) -> tuple[PublishedItem, ...]:
    """The items that a case answers: those that a result needs, all where there is no result."""
    return published.needed or published.items


def _edges(published: Published, score: PublishedScore, prefix: str) -> Iterator[tuple[str, Vector]]:
    edges = {band.min for band in score.bands[1:]} | {cutoff.at_least for cutoff in score.cutoffs}
    for edge in sorted(edges):
        for total in (edge - 1, edge):
            if (answers := find_answers(published, score, total)) is not None:
                yield f"{prefix}{total}", answers


def _missing(published: Published, score: PublishedScore, prefix: str) -> Iterator[tuple[str, Vector]]:
    """One answer missing, or declined, where that decides nothing and where it does not matter any more."""
    deciding = [cutoff.at_least for cutoff in score.cutoffs if cutoff.default]
    edge = max(deciding, default=score.range[0] + 2)
    counted = [item for item in published.items if item.link_id in score.link_ids]
    missing = next((item for item in counted if not _is_gate(published, item)), counted[-1])
    most = max(score.points(option.value) for option in missing.options)
    wanted = {
        "one-missing-not-known": edge - 1,
        "one-missing-negative": min(deciding, default=edge) - most - 1,
        "one-missing-positive": edge,
    }
    for name, total in wanted.items():
        if (answers := find_answers(published, score, total, without=[missing.link_id])) is not None:
            yield f"{prefix}{name}", answers
    if (answers := find_answers(published, score, edge - 1, without=[missing.link_id])) is not None:
        yield f"{prefix}one-declined", {**answers, missing.link_id: DECLINED}
    rest = (item for item in counted if item is not missing)
    second = next((item for item in rest if not _is_gate(published, item)), None)
    if second is not None and not prefix:
        answers = find_answers(published, score, edge - 2, without=[missing.link_id, second.link_id])
        if answers is not None:
            yield "two-missing", answers


def _gates(published: Published) -> Iterator[tuple[str, Vector]]:
    """Every answer of an item that decides whether scored items are asked, and none."""
    gates = [item for item in published.items if item in published.needed and _is_gate(published, item)]
    for gate in gates:
        for option in gate.options:
            yield f"{gate.link_id}-{option.value}", _asked_only(published, {gate.link_id: option.value}, 0)
        complete = _each(published, -1)
        without = {link_id: value for link_id, value in complete.items() if link_id != gate.link_id}
        yield f"{gate.link_id}-missing", _asked_only(published, without, None)
        yield f"{gate.link_id}-declined", _asked_only(published, {**without, gate.link_id: DECLINED}, None)


def _risks(published: Published) -> Iterator[tuple[str, Vector]]:
    for risk in published.risks:
        item = published.item(risk.link_id)
        for option in item.options:
            answers = {**_each(published, 0), item.link_id: option.value}
            at_threshold = option.value == risk.at_least
            yield f"item-{item.number}-{'alone' if at_threshold else option.value}", answers
        if published.scores:
            others = {"missing": 1, "declined": -3}
            for word, below in others.items():
                total = published.scores[0]
                edge = next(cutoff.at_least for cutoff in total.cutoffs if cutoff.default) - below
                answers = dict(find_answers(published, total, edge, without=[item.link_id]) or {})
                yield f"item-{item.number}-{word}", answers | ({item.link_id: DECLINED} if word == "declined" else {})
    if published.id == "phq-9":
        yield (
            "total-13-item-9-one",
            dict(zip([f"phq9-{n}" for n in range(1, 10)], [2, 2, 3, 2, 0, 1, 2, 0, 1], strict=True)),
        )


def _is_gate(published: Published, item: PublishedItem) -> bool:
    return any(item.link_id in other.gates for other in published.needed)


def _each(published: Published, place: int) -> Vector:
    """Every item that is asked at the same place of its options, by rising value; -1 is the highest."""
    answers: Vector = {}
    for item in _asked_about(published):
        if published.is_asked(item, answers):
            values = sorted(option.value for option in item.options)
            answers[item.link_id] = values[-1 if place < 0 else min(place, len(values) - 1)]
    return answers


def _asked_only(published: Published, answers: Vector, fill: int | None) -> Vector:
    """Drop what is not asked; what is asked and not answered takes the option at place `fill`, None: nothing."""
    kept: Vector = {}
    for item in published.needed:
        if not published.is_asked(item, kept):
            continue
        if item.link_id in answers:
            kept[item.link_id] = answers[item.link_id]
        elif fill is not None:
            kept[item.link_id] = sorted(option.value for option in item.options)[fill]
    return kept


def find_answers(
    published: Published, score: PublishedScore, total: int, *, without: Collection[str] = ()
) -> Vector | None:
    """Answers that make a score so many points, as few items as possible, the first ones first; other items lowest."""

    def walk(place: int, points: int, answers: Given) -> Vector | None:
        if points > total:
            return None
        if place == len(published.needed):
            return dict(answers) if points == total else None
        item = published.needed[place]
        rising = sorted(option.value for option in item.options)
        counts = item.link_id in score.link_ids
        if not published.is_asked(item, answers):
            return walk(place + 1, points + (score.points(rising[0]) if counts else 0), answers)
        if item.link_id in without:
            return walk(place + 1, points, answers)
        highest_first = counts or _is_gate(published, item)
        for value in reversed(rising) if highest_first else rising:
            gained = score.points(value) if counts else 0
            found = walk(place + 1, points + gained, {**answers, item.link_id: value})
            if found is not None:
                return found
        return None

    return walk(0, 0, {}) if total >= 0 else None


# Which option of an item that no score counts a case chooses; the second where nothing is said.
_UNSCORED = {"every-item-1": 0, "every-item-2": 2, "highest": -1}


def _with_the_rest(published: Published, case: str, answers: Vector) -> Vector:
    """Answer also what is asked and neither scored nor a risk item; put all in print order."""
    needed = {item.link_id for item in published.needed}
    kept: Vector = {}
    begun = any(isinstance(value, int) for value in answers.values())
    for item in published.items:
        if item.link_id in answers:
            kept[item.link_id] = answers[item.link_id]
        elif item.link_id not in needed and begun and published.is_asked(item, answers):
            place = min(_UNSCORED.get(case, 1), len(item.options) - 1)
            kept[item.link_id] = item.options[place].value
    return kept
