"""Which items of two instruments are the same question, so that an answer to one may be carried to the other.

The same question is scored in both, has the same code, the same words, the same answers with the same weights, and asks
about the same period. A short form's items qualify (PHQ-2 and PHQ-9); the difficulty item does not, for it asks about
the problems on its own form.
"""

from fhir_mappings.instrument import Instrument, Item


def find_same_items(target: Instrument, source: Instrument) -> dict[str, str]:
    """Give linkId in `target` → linkId in `source`, in the target's order; {} where the periods differ."""
    if target.id == source.id or target.recall_period != source.recall_period:
        return {}
    same = {}
    for item in target.items:
        other = next((one for one in source.items if _is_same(item, one)), None)
        if other is not None:
            same[item.link_id] = other.link_id
    return same


def _is_same(one: Item, other: Item) -> bool:
    if one.coding is None or other.coding is None or not one.coding.same_code(other.coding):
        return False
    return (
        one.scored
        and other.scored
        and bool(one.options)
        and one.text == other.text
        and _answers(one) == _answers(other)
    )


def _answers(item: Item) -> list[tuple[str, str, str, object]]:
    return [(option.coding.system, option.coding.code, option.text, option.weight) for option in item.options]
