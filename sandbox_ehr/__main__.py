"""`python -m sandbox_ehr`: the simulated EHR as a process of its own.

Prints `READY <base URL>` when it takes connections.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.errors import SandboxError
from sandbox_ehr.personas import list_personas
from sandbox_ehr.registered_clients import demo_clients, parse_clients_file
from sandbox_ehr.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve until interrupted; give the exit code (1: could not start, 2: usage)."""
    parser = argparse.ArgumentParser(prog="python -m sandbox_ehr", description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free port")
    parser.add_argument("--persona", choices=list_personas(), default="open", help="the EHR to play at /fhir")
    parser.add_argument(
        "--db", default=":memory:", help="SQLite file that keeps the charts; by default they go with the process"
    )
    parser.add_argument("--clients", type=Path, help="TOML file of [[client]] tables instead of the demo clients")
    parser.add_argument("--require-login", action="store_true", help="ask who the user is in every launch")
    parser.add_argument("--control", action="store_true", help="take orders of faults at /_control/ (tests only)")
    parser.add_argument("--fhir-backend", metavar="URL", help="FHIR base of an open R4 server to stand in front of")
    parser.add_argument("--seed-backend", action="store_true", help="put the synthetic patients into that server first")
    options = parser.parse_args(arguments)
    try:
        config = SandboxConfig(
            persona=options.persona,
            database=options.db,
            clients=parse_clients_file(options.clients) if options.clients else demo_clients(),
            require_login=options.require_login,
            control=options.control,
            backend_url=options.fhir_backend,
            seed_backend=options.seed_backend,
        )
        with contextlib.suppress(KeyboardInterrupt):
            serve(config, options.port, ready=lambda base_url: print(f"READY {base_url}", flush=True))  # noqa: T201  # the contract
    except (SandboxError, OSError) as exc:
        sys.stderr.write(f"sandbox_ehr: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
