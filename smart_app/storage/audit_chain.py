"""The audit's hash chain: each row's HMAC covers the row and the HMAC before it; the head's covers where it stands.

HMAC-SHA256 (RFC 2104) over canonical JSON, with a key that is not in the database. Whoever can write the database
cannot edit, remove, reorder or insert a row unseen; cutting rows off the end is seen by the head, and rolling back the
whole database, head and all, only by an anchor: a head that the log stream got earlier.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from smart_app.storage.key_ring import Key

FIRST_MAC = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the chain stands, signed with a key.

    ``seq`` and ``mac`` are the newest row's; ``floor_seq`` and ``floor_mac`` those of the last row that retention took
    away: the chain is read from there.
    """

    seq: int
    mac: str
    floor_seq: int
    floor_mac: str
    key_id: str
    head_mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A row by number and MAC; from the log stream or a file outside the database, it says what once was there."""

    seq: int
    mac: str


START = Anchor(seq=0, mac=FIRST_MAC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """One thing that is wrong with the chain. ``seq`` is where."""

    seq: int
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What a check of the whole chain found. ``rows`` were read."""

    rows: int
    head: Anchor | None
    faults: tuple[ChainFault, ...]

    @property
    def is_intact(self) -> bool:
        """True when nothing is wrong."""
        return not self.faults


def compute_row_mac(key: Key, previous_mac: str, values: Mapping[str, Any]) -> str:
    """MAC of one row: ``values`` are its columns as JSON values, without ``mac``."""
    return _mac(key, {"previous": previous_mac, "row": dict(values)})


def build_head(key: Key, end: Anchor, floor: Anchor) -> Head:
    """Sign where the chain stands."""
    values = {"head": end.mac, "seq": end.seq, "floor": floor.mac, "floor_seq": floor.seq}
    return Head(
        seq=end.seq,
        mac=end.mac,
        floor_seq=floor.seq,
        floor_mac=floor.mac,
        key_id=key.id,
        head_mac=_mac(key, values),
    )


def check_chain(
    rows: Iterable[tuple[Mapping[str, Any], str]],
    head: Head | None,
    keys: Mapping[str, Key],
    anchors: Iterable[Anchor] = (),
) -> ChainReport:
    """Read the chain from its first row to its last and name every fault.

    A retired key proves rows up to its end and no head: whoever got hold of it can neither write on nor cut back.
    ``rows``: each row's JSON values (with ``seq`` and ``key_id``) and its stored MAC, by ascending ``seq``.
    """
    faults: list[ChainFault] = []
    # A head that does not verify is not believed about where the chain begins either.
    believed = head is not None and _is_in_use(keys.get(head.key_id)) and _is_signed(keys[head.key_id], head)
    floor = Anchor(seq=head.floor_seq, mac=head.floor_mac) if head is not None and believed else START
    ends = [Anchor(seq=key.end.seq, mac=key.end.mac) for key in keys.values() if key.end is not None]
    wanted = {anchor.seq: anchor.mac for anchor in (*anchors, *ends) if anchor.seq > floor.seq}
    previous, expected, count = floor.mac, floor.seq + 1, 0
    for values, mac in rows:
        seq = int(values["seq"])
        count += 1
        if seq != expected:
            faults.append(ChainFault(seq=expected, code="rows-missing", text=f"rows {expected} to {seq - 1} are gone"))
        key = keys.get(str(values["key_id"]))
        if key is None:
            faults.append(ChainFault(seq=seq, code="unknown-key", text="the row's key is not in the key file"))
        elif key.end is not None and seq > key.end.seq:
            faults.append(ChainFault(seq=seq, code="retired-key", text="the row is later than the end of its key"))
        elif not hmac.compare_digest(compute_row_mac(key, previous, values), mac):
            faults.append(ChainFault(seq=seq, code="row-changed", text="the row, or the one before it, was changed"))
        if seq in wanted and not hmac.compare_digest(wanted.pop(seq), mac):
            faults.append(ChainFault(seq=seq, code="anchor-differs", text="the row is not the one that was anchored"))
        previous, expected = mac, seq + 1
    faults += _check_head(head, keys, previous, expected - 1)
    faults += [
        ChainFault(seq=seq, code="anchor-beyond-end", text="the chain ends before a row that was anchored")
        for seq in sorted(wanted)
    ]
    end = Anchor(seq=expected - 1, mac=previous) if count else None
    return ChainReport(rows=count, head=end, faults=tuple(faults))


def _check_head(head: Head | None, keys: Mapping[str, Key], last_mac: str, last_seq: int) -> list[ChainFault]:
    if head is None:
        return [ChainFault(seq=last_seq, code="head-missing", text="the chain's head is gone")] if last_seq else []
    key = keys.get(head.key_id)
    if key is None or not _is_in_use(key):
        code, text = ("unknown-key", "is not in the key file") if key is None else ("retired-key", "was retired")
        return [ChainFault(seq=head.seq, code=code, text=f"the head's key {text}")]
    if not _is_signed(key, head):
        return [ChainFault(seq=head.seq, code="head-changed", text="the chain's head was changed")]
    if head.seq != last_seq:
        return [ChainFault(seq=head.seq, code="rows-cut-off", text=f"the chain ends at {last_seq}, its head says more")]
    if not hmac.compare_digest(head.mac, last_mac):
        return [ChainFault(seq=head.seq, code="row-changed", text="the last row is not the one that the head names")]
    return []


def _is_in_use(key: Key | None) -> bool:
    return key is not None and key.end is None


def _is_signed(key: Key, head: Head) -> bool:
    end, floor = Anchor(seq=head.seq, mac=head.mac), Anchor(seq=head.floor_seq, mac=head.floor_mac)
    return hmac.compare_digest(build_head(key, end, floor).head_mac, head.head_mac)


def _mac(key: Key, values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key.secret, text.encode("utf-8"), sha256).hexdigest()
