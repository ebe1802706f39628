"""LHC-Forms and fhirpath.js as one resident Node process: engines that are not ours, asked in batches.

The packages are pinned in tests/conformance/node (npm ci); $SMART_SCREENING_ORACLES names another node_modules.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.conformance.resident_process import Json, OracleError, ResidentProcess

HERE = Path(__file__).parent
NODE_MODULES = Path(os.environ.get("SMART_SCREENING_ORACLES", HERE.parent / "node" / "node_modules"))
OLDEST_NODE = (20, 19)
ANSWER_SECONDS = 120


def missing_prerequisite() -> str | None:
    """Say what this machine lacks for the oracles, None if nothing."""
    if shutil.which("node") is None:
        return "node is not installed"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < OLDEST_NODE:
        return f"node {version} is older than {'.'.join(map(str, OLDEST_NODE))}, which jsdom needs"
    if not all((NODE_MODULES / name).is_dir() for name in ("fhirpath", "jsdom", "lforms")):
        return "the npm packages are missing: npm ci --prefix tests/conformance/node"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One result per form asked about, and the processor time that the engine took for all of them."""

    results: list[Any]
    microseconds: float


class Oracles:
    """The running process; a context manager. `versions`: engine → version, once running."""

    versions: Mapping[str, str]

    def __enter__(self) -> Self:
        self._process = ResidentProcess(["node", str(HERE / "oracles.cjs"), str(NODE_MODULES)])
        try:
            self.versions = self._process.read(ANSWER_SECONDS)["ready"]
        except OracleError:
            self._process.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()

    def fill_in(
        self, questionnaire: Json, answers: Sequence[Mapping[str, Json]], *, fresh: bool = False, extract: bool = True
    ) -> Batch:
        """Fill in LHC-Forms, one form per linkId → value[x]; each result has its `response` and its `observations`.

        `fresh` opens the form anew each time, which takes ten times as long; without `extract` it only calculates.
        Raises: OracleError.
        """
        return self._ask(engine="lforms", questionnaire=questionnaire, answers=answers, fresh=fresh, extract=extract)

    def evaluate(self, questionnaire: Json, expressions: Mapping[str, str], responses: Sequence[Json]) -> Batch:
        """Evaluate FHIRPath by fhirpath.js: each result is name → list of values. Raises: OracleError."""
        return self._ask(engine="fhirpath", questionnaire=questionnaire, expressions=expressions, responses=responses)

    def _ask(self, **request: Any) -> Batch:
        answer = self._process.ask(json.dumps(request, default=float), seconds=ANSWER_SECONDS)
        if "error" in answer:
            raise OracleError(f"{request['engine']}: {answer['error']}")
        return Batch(**answer)
