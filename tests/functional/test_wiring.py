"""Settings become a running app: what the file says is what the use cases work by."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_mappings.instrument import ChangeKind
from fhir_mappings.write_shape import ResourceKind
from launch.scopes import Feature
from launch.signing_keys import SigningKeys
from smart_app.file_rights import warn_of_open_files
from smart_app.licensed_text import SiteFileError
from smart_app.model.rights import Right
from smart_app.secret_file import write_secret_file
from smart_app.settings import InstrumentsSection, SettingsError, parse_settings
from smart_app.storage.engine import open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.migrate import upgrade
from smart_app.storage.schema_version import claim_environment
from smart_app.storage.unit_of_work import Units
from smart_app.wiring import build_services, build_site_rules, create_app, open_units
from tests.fakes.captured_log import captured_log
from tests.fakes.clinic import START

EHR: dict[str, Any] = {
    "id": "clinic",
    "name": "Alder Creek",
    "fhir_base_url": "https://ehr.example/fhir",
    "client_id": "smart-screening",
}
SETTINGS: dict[str, Any] = {
    "app": {"base_url": "http://127.0.0.1:8000", "environment": "test", "time_zone": "America/Chicago"},
    "alerts": {"readers": ["Practitioner/on-call"]},
    "sessions": {"idle_minutes": 15, "absolute_hours": 8},
    "practice": {"draft_hours": 48},
    "rights": {"sign": [{"fhir_user_type": "Practitioner"}]},
}


def _settings(folder: Path, **ehr: Any) -> Any:
    values = {**SETTINGS, "app": {**SETTINGS["app"], "database_url": f"sqlite:///{folder / 'app.db'}"}}
    return parse_settings({**values, "ehr": [{**EHR, **ehr}]}, {}, folder=folder)


def _prepare(settings: Any) -> None:
    KeyRing.generate(START).save(settings.key_file)
    database = open_database(settings.app.database_url)
    upgrade(database)
    claim_environment(database, settings.environment)
    database.close()


def test_limits_and_rights_are_those_of_the_file(tmp_path: Path) -> None:
    rules = build_site_rules(_settings(tmp_path))
    assert (rules.idle, rules.absolute) == (timedelta(minutes=15), timedelta(hours=8))
    assert rules.draft_within == timedelta(hours=48)
    assert [rule.right for rule in rules.rights] == [Right.SIGN]
    assert rules.is_test
    assert rules.zone.key == "America/Chicago"
    assert rules.alert_readers == {"Practitioner/on-call"}


@pytest.mark.parametrize(
    ("writes", "kinds", "features"),
    [
        (
            {"item_observations": False},
            set(ResourceKind) - {ResourceKind.OBSERVATION_ITEM, ResourceKind.OBSERVATION_DIFFICULTY},
            {Feature.WRITE_RESPONSES, Feature.WRITE_OBSERVATIONS, Feature.WRITE_NOTES, Feature.WRITE_PROVENANCE},
        ),
        (
            {"observations": False, "responses": False, "provenance": False},
            {ResourceKind.DOCUMENT_REFERENCE},
            {Feature.WRITE_NOTES},
        ),
    ],
)
def test_only_what_the_site_writes_is_planned_and_asked_for(
    tmp_path: Path, writes: dict[str, bool], kinds: set[ResourceKind], features: set[Feature]
) -> None:
    rules = build_site_rules(_settings(tmp_path, writes=writes)).at("clinic")
    assert rules.write_site.kinds == kinds
    assert rules.features == {Feature.BASE, *features}


def test_the_age_of_majority_is_the_ehr_entrys(tmp_path: Path) -> None:
    assert build_site_rules(_settings(tmp_path)).at("clinic").write_site.age_of_majority == 18
    rules = build_site_rules(_settings(tmp_path, writes={"age_of_majority": 16}))
    assert rules.at("clinic").write_site.age_of_majority == 16


def test_the_sites_languages_are_offered_for_what_is_worded_in_them(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    assert build_site_rules(settings).languages == (("en", "English"),)
    values = {"en-US": "English (US)", "en-GB": "English (UK)", "es": "Español"}
    several = replace(settings, instruments=InstrumentsSection(languages=values))
    _prepare(several)
    services = build_services(several, units=open_units(several))
    phq9 = services.library.find("phq-9")
    assert phq9 is not None
    assert services.rules.languages_of(phq9) == (("en-US", "English (US)"), ("en-GB", "English (UK)"))


def test_a_start_fails_where_an_instrument_could_be_given_in_no_language(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    spanish = replace(settings, instruments=InstrumentsSection(languages={"es": "Español"}))
    with pytest.raises(SettingsError, match=r"instruments\.languages.*phq-9, gad-7"):
        build_services(spanish, units=open_units(spanish))


def test_signing_keys_are_needed_only_where_an_ehr_wants_them(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    assert build_services(settings, units=open_units(settings)).connections.keys is None
    signing = _settings(tmp_path, client_auth="private_key_jwt")
    with pytest.raises(SettingsError, match="signing_keys_file"):
        build_services(signing, units=open_units(signing))


def test_signing_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path, client_auth="private_key_jwt")
    _prepare(settings)
    path = settings.app.signing_keys_file
    write_secret_file(path, SigningKeys.generate(START).to_json())
    assert build_services(settings, units=open_units(settings)).connections.keys is not None
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=r"signing_keys_file.*chmod 600"):
        build_services(settings, units=open_units(settings))


def test_the_web_app_answers_and_refuses_an_unknown_issuer(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    client = create_app(settings).test_client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    refused = client.get("/launch", query_string={"iss": "https://elsewhere.example/fhir", "launch": "x"})
    assert refused.status_code in {400, 403, 404}
    assert b"unknown-issuer" in refused.data


def test_without_its_database_the_process_lives_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    folder = tmp_path / "mounted"
    units = Units(open_database(f"sqlite:///{folder / 'app.db'}"), KeyRing.load(settings.key_file))
    client = create_app(settings, units=units).test_client()
    shutil.rmtree(folder)
    answer = client.get("/readyz")
    assert (answer.status_code, client.get("/healthz").status_code) == (503, 200)
    assert "database-unavailable" in answer.text
    assert "mounted" not in answer.text
    folder.mkdir()
    shutil.copy(tmp_path / "app.db", folder)
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(("mode", "warned"), [(0o600, []), (0o640, ["app.database_url", "ehr.client_secret_file"])])
def test_files_that_others_may_read_are_warned_of_at_start(tmp_path: Path, mode: int, warned: list[str]) -> None:
    secret = tmp_path / "ehr.secret"
    secret.write_text("a secret", "utf-8")
    settings = _settings(tmp_path, client_auth="client_secret_basic", client_secret_file="ehr.secret")
    _prepare(settings)
    for path in (secret, tmp_path / "app.db"):
        path.chmod(mode)
    with captured_log() as log:
        warn_of_open_files(settings)
    assert [line["setting"] for line in log.events("file-readable-by-others")] == warned


def test_a_sites_cutoff_and_figure_of_change_are_in_use(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    chosen = InstrumentsSection(
        cutoffs={"gad-7-total": 8}, change_figures={"phq-9-total": {"reliable-change": "lowe-2004"}}
    )

    library = build_services(replace(settings, instruments=chosen), units=open_units(settings)).library

    gad7, phq9 = library.find("gad-7"), library.find("phq-9")
    assert gad7 is not None
    assert phq9 is not None
    cutoff, reliable = gad7.scores[0].cutoff, phq9.scores[0].find_change(ChangeKind.RELIABLE)
    assert cutoff is not None
    assert reliable is not None
    assert (cutoff.points, reliable.points) == (8, 5)


def test_every_figure_that_is_not_published_is_named_at_the_start(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    wrong = InstrumentsSection(
        cutoffs={"gad-7-total": 9, "gad-8-total": 3}, change_figures={"phq-9-total": {"response": "of-our-own"}}
    )

    with pytest.raises(SettingsError) as caught:
        build_services(replace(settings, instruments=wrong), units=open_units(settings))

    assert [fault.where for fault in caught.value.faults] == [
        "instruments.cutoffs.gad-7-total",
        "instruments.cutoffs.gad-8-total",
        "instruments.change_figures.phq-9-total.response",
    ]


@pytest.mark.parametrize(
    ("name", "problem"), [("phq-99", "there is no instrument phq-99"), ("epds", "epds ships without")]
)
def test_a_start_fails_where_an_instrument_cannot_be_offered(tmp_path: Path, name: str, problem: str) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    settings = replace(settings, instruments=InstrumentsSection(enabled=("phq-9", name)))
    with pytest.raises(SettingsError) as raised:
        build_services(settings, units=open_units(settings))
    (fault,) = raised.value.faults
    assert (fault.where, problem in fault.problem) == ("instruments.enabled", True)


def test_the_sites_folder_beside_the_settings_is_read(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _prepare(settings)
    assert settings.instruments.folder == tmp_path / "instruments"
    settings.instruments.folder.mkdir()
    (settings.instruments.folder / "who-5.toml").write_text("instrument = 1\n", "utf-8")
    with pytest.raises(SiteFileError, match=r"who-5\.toml: instrument must be a text"):
        build_services(settings, units=open_units(settings))
