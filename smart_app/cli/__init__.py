"""The command line (design section 4, "Commands"): exit 0 ok, 1 finding or failure, 2 usage.

Each family of commands is a module of its own, imported when it is called: `score` must not load a web server.
"""

from __future__ import annotations

import click

from smart_app.cli.lazy import CommandAt, LazyGroup
from smart_app.version import find_version


@click.group(
    cls=LazyGroup,
    commands_at={
        "demo": CommandAt("smart_app.cli.demo:demo", "Start app and simulated EHR with synthetic patients."),
        "init": CommandAt("smart_app.cli.init:init", "Write smart-screening.toml, keys and database."),
        "serve": CommandAt("smart_app.cli.serve:serve", "Run the app under gunicorn."),
        "worker": CommandAt("smart_app.cli.worker:worker", "Run background writes and reminders."),
        "sandbox": CommandAt("smart_app.cli.sandbox:sandbox", "Run only the simulated EHR."),
        "ehr": CommandAt("smart_app.cli.ehr:ehr", "List EHRs, check one, print the registration sheet."),
        "instruments": CommandAt("smart_app.cli.instruments:instruments", "List, show, check or export instruments."),
        "score": CommandAt("smart_app.cli.score:score", "Score a QuestionnaireResponse."),
        "extract": CommandAt("smart_app.cli.extract:extract", "Print what signing a response would write."),
        "audit": CommandAt("smart_app.cli.audit:audit", "Verify or export the audit."),
        "db": CommandAt("smart_app.cli.db:db", "Upgrade or check the database's schema."),
        "keys": CommandAt("smart_app.cli.keys:keys", "Make or rotate the app's keys."),
        "purge": CommandAt("smart_app.cli.purge:purge", "Erase what retention says is due; legal holds."),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(find_version(), prog_name="smart-screening")
def main() -> None:
    """Screening questionnaires inside the EHR: score, review, sign, write back (SMART on FHIR)."""
