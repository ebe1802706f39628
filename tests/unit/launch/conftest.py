"""A fake EHR on loopback and a transport to it, per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launch.ehr import Ehr
from launch.transport import Transport
from tests.fakes.fake_ehr import FakeEhr


@pytest.fixture
def fake() -> Iterator[FakeEhr]:
    server = FakeEhr()
    yield server
    server.close()


@pytest.fixture
def ehr(fake: FakeEhr) -> Ehr:
    return fake.ehr()


@pytest.fixture
def transport(ehr: Ehr) -> Iterator[Transport]:
    made = Transport(ehr, timeout=(1.0, 5.0), sleep=lambda _: None)
    yield made
    made.close()
