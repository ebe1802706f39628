"""`make bench`: everything in one run, so that figures can be compared with each other."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path

from bench import footprint, launching, scoring


def main() -> None:
    """Print the report."""
    print(f"Python {platform.python_version()}, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        for measure in (launching.measure, launching.measure_waves, footprint.measure, scoring.measure):
            part = Path(folder) / measure.__module__ / measure.__name__
            part.mkdir(parents=True)
            print("\n".join(measure(part)), flush=True)


if __name__ == "__main__":
    main()
