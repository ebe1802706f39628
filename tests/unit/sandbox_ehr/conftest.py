from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.sandbox_ehr.fhir_client import Ehr, open_ehr


@pytest.fixture
def ehr() -> Iterator[Ehr]:
    with open_ehr() as opened:
        yield opened
