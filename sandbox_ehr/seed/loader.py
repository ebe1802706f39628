"""Reads the files of this folder and puts the synthetic clinic into a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from sandbox_ehr.accounts import Account
from sandbox_ehr.chart_source import ChartSource
from sandbox_ehr.seed.chart_resources import ChartBuilder
from sandbox_ehr.seed.dates import SeedCalendar
from sandbox_ehr.seed.screening_resources import build_screenings
from sandbox_ehr.seed.site_resources import Resource, build_related_persons, build_site
from sandbox_ehr.store import FhirStore

SEED_DIRECTORY = Path(__file__).parent


def load_accounts() -> dict[str, Account]:
    """Give account id → account, in the order in which the pages list them."""
    accounts = (Account(**entry) for entry in _read("accounts.json"))
    return {account.account_id: account for account in accounts}


def build_seed(now: datetime) -> Iterator[Resource]:
    """Give every resource of the synthetic clinic, references pointing backwards. now: aware; dates count from it."""
    site, instruments = _read("site.json"), _read("instruments.json")
    calendar = SeedCalendar(now=now, utc_offset=site["utc_offset"])
    yield from build_site(site)
    # pt-05-old refers to pt-05, and follows it in this order.
    for path in sorted((SEED_DIRECTORY / "charts").glob("*.json"), key=lambda path: path.stem):
        builder = ChartBuilder(chart=_read(f"charts/{path.name}"), site=site, calendar=calendar)
        yield from builder.build()
        yield from build_screenings(builder, instruments)
    yield from build_related_persons(site)


def seed_store(store: FhirStore, *, now: datetime) -> bool:
    """Fill a store that holds no organization yet, in one transaction; tell whether it did."""
    with store.writing() as session:
        organization_id = _read("site.json")["organization"]["id"]
        if session.find("Organization", organization_id) is not None:
            return False
        for resource in build_seed(now):
            session.save(resource, method="PUT", resource_id=resource["id"], last_updated=now)
    return True


def seed_source(source: ChartSource, *, now: datetime) -> None:
    """Put the synthetic clinic into another server, one resource after the other. Raises: BackendFailed."""
    for resource in build_seed(now):
        source.replace(resource)


@cache
def _read(name: str) -> Any:
    return json.loads((SEED_DIRECTORY / name).read_text(encoding="utf-8"), parse_float=Decimal)
