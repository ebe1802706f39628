"""init, db, keys, audit, purge: an installation from nothing, its keys turned, its audit checked."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.ledger import RowState
from smart_app.model.screening import ScreeningState
from smart_app.settings import load_settings
from smart_app.settings.sections import RightsEntry
from smart_app.storage.engine import open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.opening import open_units
from smart_app.storage.unit_of_work import Units
from tests.integration.cli.conftest import INIT, Run
from tests.integration.storage.factories import NOW, PATIENT, make_approval, make_row, make_saved, make_screening

CONFIG = Path("smart-screening.toml")


def _units() -> Units:
    return open_units(load_settings(CONFIG, {}))


def _append(count: int) -> None:
    with _units().write() as unit:
        for _ in range(count):
            unit.audit.append(AuditEvent(action=AuditAction.CHART_READ, at=NOW, patient=PATIENT))
        unit.commit()


@pytest.mark.requirement("smart-2.2.0@295")
def test_init_makes_settings_keys_and_database_that_start(installed: Run) -> None:
    settings = load_settings(CONFIG, {})
    expected = (RightsEntry(role_codes=("http://snomed.info/sct|309343006",)),)
    assert (settings.rights.sign, settings.rights.close_alert) == (expected, expected)
    for path in (settings.app.key_file, settings.app.signing_keys_file, Path("smart-screening.db")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert installed("db", "check").exit_code == 0


def test_init_overwrites_nothing(installed: Run) -> None:
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    result = installed(*INIT)
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_init_asks_who_signs_and_nobody_does_until_told(run: Run) -> None:
    result = run(*INIT[:-2], stdin="\n")
    assert result.exit_code == 0
    assert "Nobody may sign" in result.stdout
    assert load_settings(CONFIG, {}).rights.sign == ()


def test_init_takes_the_answer_about_signers(run: Run) -> None:
    assert run(*INIT[:-2], stdin="Practitioner/7, s-1\n").exit_code == 0
    assert [entry.identities for entry in load_settings(CONFIG, {}).rights.sign] == [("Practitioner/7",), ("s-1",)]


def test_init_outside_the_us_without_crisis_line_leaves_nothing_behind(run: Run) -> None:
    result = run(*INIT, "--country", "NL")
    assert result.exit_code == 1
    assert "crisis.contact" in result.stderr
    assert list(Path().iterdir()) == []


def test_a_database_of_another_version_is_refused_with_what_to_do(installed: Run) -> None:
    Path("smart-screening.db").unlink()
    result = installed("db", "check")
    assert result.exit_code == 1
    assert "smart-screening db upgrade" in result.stderr
    assert installed("db", "upgrade").exit_code == 0
    assert installed("db", "check").exit_code == 0


def test_test_and_production_never_share_a_database(installed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_SCREENING_APP_ENVIRONMENT", "production")
    result = installed("db", "check")
    assert result.exit_code == 1
    assert "[wrong-environment]" in result.stderr


def test_keys_new_makes_only_what_is_missing(installed: Run) -> None:
    keys = Path("smart-screening.keys.json").read_bytes()
    Path("smart-screening.jwks.json").unlink()
    result = installed("keys", "new")
    assert result.stdout.count("Made") == 1
    assert Path("smart-screening.keys.json").read_bytes() == keys


def test_a_rotation_seals_everything_anew_and_retiring_takes_the_old_key(installed: Run) -> None:
    screening = make_screening(answers=(make_saved(),))
    units = _units()
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.commit()
    old = KeyRing.load(Path("smart-screening.keys.json"))
    result = installed("keys", "rotate")
    assert result.exit_code == 0
    assert result.stdout.startswith("2 values")
    with _units().read() as unit:
        assert unit.screenings.get(screening.id) == screening
        assert unit.audit.verify().is_intact
    assert installed("keys", "retire").exit_code == 0
    ring = KeyRing.load(Path("smart-screening.keys.json"))
    assert len(ring.sealing) == 1
    assert ring.sealing[0].id != old.sealing[0].id
    assert ring.derive("web") == old.derive("web")
    assert [key.end is None for key in ring.audit] == [True, False]
    with _units().read() as unit:
        assert unit.audit.verify().is_intact
    with _units().read() as unit:
        assert unit.screenings.get(screening.id) == screening


def test_a_signing_key_rotation_publishes_the_new_key_beside_the_old(installed: Run) -> None:
    path = Path("smart-screening.jwks.json")
    before = {key["kid"] for key in json.loads(path.read_text())["keys"]}
    assert installed("keys", "rotate", "--signing").exit_code == 0
    after = {key["kid"] for key in json.loads(path.read_text())["keys"]}
    assert before < after
    path.write_text("{}")
    assert installed("keys", "rotate", "--signing").exit_code == 1


def test_audit_verify_finds_a_changed_row_and_a_roll_back_with_its_anchor(installed: Run, tmp_path: Path) -> None:
    _append(3)
    assert installed("audit", "verify").stdout == "intact: 3 rows, no anchor\n"
    report = json.loads(installed("audit", "verify", "--json").stdout)
    log = tmp_path / "app.log"
    lines = ["2026 audit-head broken", "{}", json.dumps({"event": "audit-head", **report["head"]})]
    log.write_text("\n".join(lines))
    assert installed("audit", "verify", "--anchor", log).exit_code == 0
    database = open_database(load_settings(CONFIG, os.environ).app.database_url)
    with database.connect(writing=True) as connection:
        connection.execute(text("DELETE FROM audit_events"))
        connection.execute(text("DELETE FROM audit_head"))
        connection.commit()
    assert installed("audit", "verify").exit_code == 0
    rolled_back = installed("audit", "verify", "--anchor", log)
    assert rolled_back.exit_code == 1
    assert "anchor-beyond-end" in rolled_back.stdout
    _append(1)
    with database.connect(writing=True) as connection:
        connection.execute(text("UPDATE audit_events SET outcome = 'refused'"))
        connection.commit()
    changed = installed("audit", "verify", "--json")
    assert changed.exit_code == 1
    assert json.loads(changed.stdout)["faults"][0]["code"] == "row-changed"
    empty = tmp_path / "empty.log"
    empty.write_text("nothing here\n")
    assert installed("audit", "verify", "--anchor", empty).exit_code == 1


def test_audit_export_prints_balp_audit_events_and_is_audited_itself(installed: Run) -> None:
    _append(2)
    result = installed("audit", "export")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["id"] for event in events] == ["1", "2"]
    assert {event["resourceType"] for event in events} == {"AuditEvent"}
    assert events[0]["entity"][0]["what"] == {"reference": "Patient/p-1"}
    with _units().read() as unit:
        *_, (_, last) = unit.audit.export()
    assert (last.action, last.detail) == (AuditAction.EXPORTED, {"count": 2})
    assert installed("audit", "export", "--since", "2099-01-01").stdout == ""


def test_purge_counts_first_and_a_legal_hold_is_audited(installed: Run) -> None:
    assert installed("purge", "--dry-run").stdout == "0 screenings are due.\n"
    assert installed("purge", "--hold", "ehr", "p-1").exit_code == 0
    assert installed("purge", "--hold", "ehr", "p-1").exit_code == 1
    assert installed("purge", "--release", "ehr", "p-1").exit_code == 0
    assert installed("purge", "--release", "ehr", "p-1").exit_code == 1
    assert "0 audit events" in installed("purge").stdout
    with _units().read() as unit:
        details = [event.detail for _, event in unit.audit.export()]
    assert details[:2] == [{"legal_hold": "placed"}, {"legal_hold": "released"}]


def test_purge_erases_what_is_due_and_says_so_in_the_audit(installed: Run) -> None:
    screening = make_screening(
        answers=(make_saved(),), state=ScreeningState.SIGNED, updated_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    approval = make_approval(screening)
    row = make_row(approval, kind="questionnaire-response", state=RowState.WRITTEN)
    with _units().write() as unit:
        unit.screenings.add(screening)
        unit.approvals.add(approval)
        unit.ledger.add_all([row])
        unit.commit()
    assert installed("purge", "--dry-run").stdout == "1 screenings are due.\n"
    with _units().read() as unit:
        assert unit.screenings.get(screening.id).answers == screening.answers
    assert installed("purge").exit_code == 0
    with _units().read() as unit:
        assert unit.screenings.get(screening.id).answers == ()
        entities = [event.entity for _, event in unit.audit.export()]
        assert unit.audit.verify().is_intact
    assert entities == [f"screening/{screening.id}", None]


def test_ehr_list_and_sheet_speak_of_the_settings(installed: Run) -> None:
    listed = json.loads(installed("ehr", "list", "--json").stdout)
    assert [entry["fhirBaseUrl"] for entry in listed["ehrs"]] == ["https://ehr.example/fhir"]
    assert "generic" in listed["profiles"]
    assert "https://ehr.example/fhir" in installed("ehr", "list").stdout
    sheet = installed("ehr", "sheet").stdout
    for line in (
        "- Launch URL: `https://app.example/launch`",
        "- Redirect URI: `https://app.example/callback`",
        "- JWK Set URL: `https://app.example/.well-known/jwks.json`",
        "| `patient/Observation.c` | to write signed scores | the app says what it cannot show or write |",
        "| `patient/Patient.r` | name, birth date and number on every page | the app does not open |",
    ):
        assert line in sheet.splitlines()
    assert "`user/PractitionerRole.rs` | the rights of the site depend on the role" in sheet
    assert "offline_access" not in sheet.replace("offline_access is never asked for", "")
    assert "What we know of this EHR" in installed("ehr", "sheet", "--vendor", "medplum").stdout


@pytest.mark.parametrize(
    "command",
    [("purge",), ("purge", "--hold", "clinic", "1"), ("audit", "export"), ("keys", "rotate"), ("keys", "retire")],
)
def test_a_command_that_is_audited_sends_the_new_head_to_the_log(installed: Run, command: tuple[str, ...]) -> None:
    _append(2)
    result = installed(*command)
    assert result.exit_code == 0, result.output
    heads = [line for line in result.stderr.splitlines() if '"audit-head"' in line]
    assert json.loads(heads[-1])["seq"] > 2
    Path("heads.ndjson").write_text("\n".join(heads), "utf-8")
    assert installed("audit", "verify", "--anchor", "heads.ndjson").exit_code == 0
