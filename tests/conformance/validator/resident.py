"""HL7's FHIR validator as a resident process: built by Maven once, then some 25 ms a resource.

Packages come from $FHIR_PACKAGES, a folder of .tgz files; the default is ../shared/igs beside the repository.
"""

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.conformance.resident_process import OracleError, ResidentProcess
from tests.conformance.validator.package_cache import lay_out_packages

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
TARGET = HERE / "target"
HOME = TARGET / "home"
# File name starts, and the package id#version that the engine is told to load (None: found in the cache by itself).
PACKAGES = {
    "hl7.fhir.r4.core-4.0.1": None,
    "hl7.fhir.r4.expansions-4.0.1": None,
    "hl7.terminology.r4-7.0.1": None,
    "hl7.fhir.uv.extensions.r4-5.3.0": "hl7.fhir.uv.extensions.r4#5.3.0-ballot-tc1",
    "hl7.fhir.uv.sdc-4.0.0": "hl7.fhir.uv.sdc#4.0.0-ballot",
}
# One version of US Core at a time, as both bear the same canonicals.
US_CORE_PACKAGES = {"6.1": ("us_core_610", "hl7.fhir.us.core#6.1.0"), "8.0": ("us_core_800", "hl7.fhir.us.core#8.0.0")}
ARCHIVES = (*PACKAGES, *(name for name, _ in US_CORE_PACKAGES.values()))
READY_SECONDS = 120
ANSWER_SECONDS = 60
BUILD_SECONDS = 600


def package_folder() -> Path:
    """Where the FHIR packages lie."""
    return Path(os.environ.get("FHIR_PACKAGES", ROOT.parent / "shared" / "igs"))


def find_archives() -> list[Path]:
    """Give the archive of each package that is there."""
    return [path for name in ARCHIVES for path in sorted(package_folder().glob(f"{name}*.tgz"))[:1]]


def missing_prerequisite() -> str | None:
    """Say what this machine lacks for the validator, None if nothing."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if len(find_archives()) < len(ARCHIVES):
        return f"not all FHIR packages ({', '.join(ARCHIVES)}) lie in FHIR_PACKAGES"
    return None


class ResidentValidator:
    """The running validator; a context manager. `us_core` is the version that it knows: "6.1" or "8.0"."""

    def __init__(self, definitions: list[Path], *, us_core: str) -> None:
        self._definitions = definitions
        self.us_core = us_core

    def __enter__(self) -> Self:
        build()
        packages = [US_CORE_PACKAGES[self.us_core][1], *(name for name in PACKAGES.values() if name is not None)]
        files = [HERE / "tx" / "ucum-fragment.json", *self._definitions]
        classpath = f"{TARGET / 'fhir-validator-1.jar'}:{(TARGET / 'cp.txt').read_text().strip()}"
        self._log = (TARGET / "validator.log").open("w")
        self._process = ResidentProcess(
            [
                "java",
                f"-Duser.home={HOME}",
                "-Xmx1g",
                "-XX:+UseSerialGC",
                "-cp",
                classpath,
                "Validate",
                *packages,
                *map(str, files),
            ],
            log=self._log,
        )
        try:
            self._await_ready()
        except OracleError:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def validate(self, file: Path, *profiles: str) -> list[dict[str, Any]]:
        """Give the issues of one resource against the profiles it claims and those named here. Raises: OracleError."""
        answer = self._process.ask("\t".join((str(file), *profiles)), seconds=ANSWER_SECONDS)
        if "exception" in answer or answer.get("file") != str(file):
            raise OracleError(f"the validator failed on {file.name}: {answer.get('exception')}")
        issues: list[dict[str, Any]] = answer["issues"]
        return issues

    def _await_ready(self) -> None:
        if self._process.read(READY_SECONDS) != {"ready": True}:
            raise OracleError(f"the validator did not start as expected; see {TARGET / 'validator.log'}")

    def _stop(self) -> None:
        self._process.stop()
        self._log.close()


def build() -> None:
    """Build the jar and lay out the packages, where that is not done."""
    sources = [HERE / "pom.xml", *HERE.glob("src/**/*.java")]
    jar, classpath = TARGET / "fhir-validator-1.jar", TARGET / "cp.txt"
    built = min((path.stat().st_mtime if path.exists() else 0) for path in (jar, classpath))
    if built < max(path.stat().st_mtime for path in sources):
        command = ["mvn", "-q", "-B", "-ntp", "package"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Maven could not build the validator:\n{done.stdout[-2000:]}")
    lay_out_packages(HOME, find_archives())
