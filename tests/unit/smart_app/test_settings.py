"""Settings: every fault named at once, environment over file, secrets never in the file or in a message."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.ehr import ClientAuth
from launch.scopes import Feature
from smart_app.model.rights import Right, RightsRule
from smart_app.settings import Settings, SettingsError, load_settings, parse_settings
from smart_app.settings.ehr_entry import EhrEntry
from smart_app.settings.loading import SECTIONS
from smart_app.settings.sections import US_CRISIS_CONTACT, RightsEntry
from smart_app.settings.template import FirstAnswers, render_settings_file
from smart_app.site_rules import build_rights_rules, build_site_rules

FOLDER = Path("/etc/smart-screening")


def make_values(**changes: Any) -> dict[str, Any]:
    ehr = {"id": "clinic", "name": "Clinic", "fhir_base_url": "https://ehr.example/fhir", "client_id": "app"}
    values = {"app": {"base_url": "https://app.example/", "environment": "test"}, "ehr": [ehr]}
    return {**values, **changes}


def parse(values: dict[str, Any], **environ: str) -> Settings:
    return parse_settings(values, environ, folder=FOLDER)


def faults_of(values: dict[str, Any], **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(values, **environ)
    return [fault.where for fault in caught.value.faults]


def with_ehr(**changes: Any) -> dict[str, Any]:
    return make_values(ehr=[{**make_values()["ehr"][0], **changes}])


def with_app(**changes: Any) -> dict[str, Any]:
    return make_values(app={**make_values()["app"], **changes})


def test_the_smallest_file_gives_safe_defaults() -> None:
    settings = parse(make_values())
    assert settings.app.base_url == "https://app.example"
    assert settings.app.database_url == "sqlite:////etc/smart-screening/smart-screening.db"
    assert settings.key_file == FOLDER / "smart-screening.keys.json"
    assert settings.crisis.contact == US_CRISIS_CONTACT
    assert (settings.sessions.idle_minutes, settings.sessions.absolute_hours, settings.practice.draft_hours) == (
        20,
        10,
        24,
    )
    assert build_rights_rules(settings.rights) == ()
    [ehr] = settings.ehrs
    assert (ehr.client_auth, ehr.profile.name) == (ClientAuth.PUBLIC, "generic")


def test_every_fault_is_named_at_once() -> None:
    values = {
        "app": {"base_url": "http://app.example", "environment": "prod", "country": "DE", "colour": "blue"},
        "ehr": [
            {"id": "a", "name": "A", "client_id": "x", "fhir_base_url": "http://ehr.example/fhir"},
            {"id": "B!", "name": "", "client_auth": "password"},
        ],
        "sessions": {"idle_minutes": 0},
        "rights": {"sign": [{}], "fly": []},
        "extras": {},
    }
    assert faults_of(values, SMART_SCREENING_APP_COLOR="blue") == [
        "SMART_SCREENING_APP_COLOR",
        "extras",
        "app.base_url",
        "app.environment",
        "app.colour",
        "crisis.contact",
        "ehr[a].fhir_base_url",
        "ehr[B!].id",
        "ehr[B!].name",
        "ehr[B!].client_id",
        "ehr[B!].client_auth",
        "sessions.idle_minutes",
        "rights.sign[0]",
        "rights.fly",
    ]


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (make_values(ehr=[]), "ehr"),
        (make_values(ehr="clinic"), "ehr"),
        (make_values(app=[]), "app"),
        (with_app(base_url="https://app.example/path"), "app.base_url"),
        (with_app(base_url="https://user@app.example"), "app.base_url"),
        (with_app(base_url="https://app.example:port"), "app.base_url"),
        (with_app(database_url="mysql://x"), "app.database_url"),
        (with_app(time_zone="Mars/Olympus"), "app.time_zone"),
        (with_app(country="USA"), "app.country"),
        (with_ehr(fhir_base_url=None), "ehr[clinic].fhir_base_url"),
        (with_ehr(profile="nobody"), "ehr[clinic].profile"),
        (with_ehr(organization="Patient/1"), "ehr[clinic].organization"),
        (with_ehr(client_auth="client_secret_basic"), "ehr[clinic].client_secret"),
        (with_ehr(client_secret_file="nowhere"), "ehr[clinic].client_secret_file"),
        (with_ehr(allow_private=["10.0.0.0/99"]), "ehr[clinic].allow_private[0]"),
        (with_ehr(sites_file="sites.toml"), "ehr[clinic]"),
        (with_ehr(reads=["everything"]), "ehr[clinic].reads[0]"),
        (with_ehr(writes={"notes": "maybe"}), "ehr[clinic].writes.notes"),
        (make_values(crisis={"contact": ""}), "crisis.contact"),
        (make_values(rights={"sign": [{"identities": ["x"], "ehr": "other"}]}), "rights.sign[0].ehr"),
        (make_values(rights={"co_sign": [{"identities": ["x"], "supervisor": "y"}]}), "rights.co_sign[0].supervisor"),
        (
            make_values(rights={"sign": [{"identities": ["x"], "supervisor": "y"}]}),
            "rights.sign[0].supervisor",
        ),
        (make_values(retention={"audit_years": 5}), "retention.audit_years"),
        (make_values(instruments={"enabled": []}), "instruments.enabled"),
        (make_values(instruments={"folder": "nowhere"}), "instruments.folder"),
        (make_values(instruments={"enabled": ["phq-9", "../../secret"]}), "instruments.enabled[1]"),
        (make_values(http={"ca_file": "nowhere.pem"}), "http.ca_file"),
    ],
)
def test_each_fault_is_named_by_its_setting(values: dict[str, Any], where: str) -> None:
    if where == "ehr[clinic].fhir_base_url":
        del values["ehr"][0]["fhir_base_url"]
        where = "ehr[clinic]"
    assert where in faults_of(values)


def test_two_entries_of_one_ehr_are_refused() -> None:
    first = make_values()["ehr"][0]
    twice = {**first, "id": "again", "fhir_base_url": "HTTPS://EHR.example:443/fhir/"}
    assert faults_of(make_values(ehr=[first, twice])) == ["ehr[again].fhir_base_url"]
    assert faults_of(make_values(ehr=[first, {**first, "fhir_base_url": "https://b.example/fhir"}])) == [
        "ehr[clinic].id"
    ]


def test_a_secret_in_the_file_is_refused_and_never_quoted() -> None:
    values = with_ehr(client_auth="client_secret_basic", client_secret="TOP-SECRET")
    with pytest.raises(SettingsError) as caught:
        parse(values)
    assert [fault.where for fault in caught.value.faults] == ["ehr[clinic].client_secret"]
    assert "TOP-SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "key", "url"),
    [
        ("app", "database_url", "postgresql+psycopg://app:TOP-SECRET@db/app"),
        ("http", "proxy", "http://app:TOP-SECRET@proxy.example:3128"),
    ],
)
def test_a_password_in_an_address_comes_from_the_environment_and_is_not_shown(section: str, key: str, url: str) -> None:
    values = make_values(**{section: {**make_values().get(section, {}), key: url}})
    with pytest.raises(SettingsError) as caught:
        parse(values)
    assert [fault.where for fault in caught.value.faults] == [f"{section}.{key}"]
    assert "TOP-SECRET" not in str(caught.value)

    settings = parse(make_values(), **{f"SMART_SCREENING_{section}_{key}".upper(): url})

    assert getattr(getattr(settings, section), key) == url
    assert "TOP-SECRET" not in repr(settings)


def test_a_secret_comes_from_a_file_or_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("TOP-SECRET\n")
    values = with_ehr(client_auth="client_secret_basic", client_secret_file="secret")
    settings = parse_settings(values, {}, folder=tmp_path)
    assert settings.ehrs[0].client_secret == "TOP-SECRET"
    assert "TOP-SECRET" not in repr(settings)
    values = with_ehr(client_auth="client_secret_basic")
    settings = parse(values, SMART_SCREENING_EHR_CLINIC_CLIENT_SECRET="TOP-SECRET")
    assert settings.ehrs[0].client_secret == "TOP-SECRET"
    both = {**values["ehr"][0], "client_secret_file": "secret"}
    assert "ehr[clinic].client_secret_file" in faults_of(
        make_values(ehr=[both]), SMART_SCREENING_EHR_CLINIC_CLIENT_SECRET="TOP-SECRET"
    )


def test_the_environment_goes_before_the_file() -> None:
    values = make_values(sessions={"idle_minutes": 30}, ehr=[{**make_values()["ehr"][0], "id": "my-clinic"}])
    settings = parse(
        values,
        SMART_SCREENING_SESSIONS_IDLE_MINUTES="5",
        SMART_SCREENING_APP_DATABASE_URL="postgresql+psycopg://db/app",
        SMART_SCREENING_INSTRUMENTS_PRORATE="true",
        SMART_SCREENING_INSTRUMENTS_ENABLED='["gad-7"]',
        SMART_SCREENING_RIGHTS_SIGN='[{"identities": ["Practitioner/7"]}]',
        SMART_SCREENING_EHR_MY_CLINIC_REQUIRE_S256_ADVERTISED="false",
        SMART_SCREENING_CONFIG="ignored",
        OTHER="ignored",
    )
    assert settings.sessions.idle_minutes == 5
    assert settings.app.database_url == "postgresql+psycopg://db/app"
    assert settings.instruments.prorate
    assert settings.instruments.enabled == ("gad-7",)
    assert settings.rights.sign == (RightsEntry(identities=("Practitioner/7",)),)
    assert not settings.ehrs[0].require_s256_advertised
    assert values["sessions"] == {"idle_minutes": 30}


def test_an_override_that_does_not_parse_is_a_fault_of_its_setting() -> None:
    assert faults_of(make_values(), SMART_SCREENING_SESSIONS_IDLE_MINUTES="soon") == ["sessions.idle_minutes"]
    assert faults_of(make_values(), SMART_SCREENING_INSTRUMENTS_ENABLED="[broken") == ["instruments.enabled"]
    assert faults_of(make_values(), SMART_SCREENING_EHR_OTHER_NAME="x") == ["SMART_SCREENING_EHR_OTHER_NAME"]


def test_outside_the_us_the_site_names_its_crisis_line() -> None:
    assert faults_of(with_app(country="NL")) == ["crisis.contact"]
    settings = parse({**with_app(country="NL"), "crisis": {"contact": "113 Zelfmoordpreventie: bel 113"}})
    assert settings.crisis.contact == "113 Zelfmoordpreventie: bel 113"


def test_plain_http_is_for_this_machine_only() -> None:
    assert parse(with_app(base_url="http://127.0.0.1:8000")).app.is_loopback
    assert faults_of(with_app(base_url="http://intranet")) == ["app.base_url"]


def test_a_sites_file_makes_one_ehr_per_base(tmp_path: Path) -> None:
    sites = [f'[[site]]\nid = "s{n}"\nname = "Site {n}"\nfhir_base_url = "https://s{n}.example/fhir"' for n in (1, 2)]
    (tmp_path / "sites.toml").write_text("\n".join(sites))
    entry = {"id": "many", "name": "Many", "client_id": "app", "sites_file": "sites.toml", "reads": ["conditions"]}
    settings = parse_settings(make_values(ehr=[entry]), {}, folder=tmp_path)
    assert [(ehr.id, ehr.client_id) for ehr in settings.ehrs] == [("s1", "app"), ("s2", "app")]
    assert all(Feature.CONDITIONS in settings.ehr_options[ehr.id].features for ehr in settings.ehrs)


@pytest.mark.parametrize("text", ["not toml", "", "[[site]]\nid = 1"])
def test_a_broken_sites_file_is_a_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / "sites.toml").write_text(text)
    entry = {"id": "many", "name": "Many", "client_id": "app", "sites_file": "sites.toml"}
    with pytest.raises(SettingsError) as caught:
        parse_settings(make_values(ehr=[entry]), {}, folder=tmp_path)
    assert caught.value.faults[0].where.startswith("ehr[many].sites_file")


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="smart-screening init"):
        load_settings(tmp_path / "none.toml", {})
    broken = tmp_path / "broken.toml"
    broken.write_text("[app")
    with pytest.raises(SettingsError, match="is not TOML"):
        load_settings(None, {"SMART_SCREENING_CONFIG": str(broken)})


def test_rights_become_rules_of_the_model() -> None:
    entry = {
        "fhir_user_type": "Practitioner",
        "role_codes": ["http://snomed.info/sct|309343006"],
        "identities": ["Practitioner/7"],
        "ehr": "clinic",
        "supervisor": "Practitioner/9",
    }
    cosigner = {"identities": ["Practitioner/9"]}
    settings = parse(
        make_values(rights={"sign": [entry], "close_alert": [{"identities": ["s-1"]}], "co_sign": [cosigner]})
    )
    assert build_rights_rules(settings.rights) == (
        RightsRule(right=Right.CLOSE_ALERT, identities=frozenset({"s-1"})),
        RightsRule(
            right=Right.SIGN,
            fhir_user_type="Practitioner",
            role_codes=frozenset({"http://snomed.info/sct|309343006"}),
            identities=frozenset({"Practitioner/7"}),
            ehr_id="clinic",
            supervisor="Practitioner/9",
        ),
        RightsRule(right=Right.CO_SIGN, identities=frozenset({"Practitioner/9"})),
    )


def test_switches_decide_what_is_asked_for_and_what_is_written() -> None:
    writes = {"responses": False, "item_observations": False, "provenance": False, "note_type": "11506-3"}
    settings = parse(with_ehr(writes=writes, reads=["documents"], online_access=True))
    rules = build_site_rules(settings).at("clinic")
    assert rules.features == {
        Feature.BASE,
        Feature.DOCUMENTS,
        Feature.ONLINE_ACCESS,
        Feature.WRITE_OBSERVATIONS,
        Feature.WRITE_NOTES,
    }
    assert {str(kind) for kind in rules.write_site.kinds} == {
        "observation-total",
        "observation-panel",
        "document-reference",
    }
    assert rules.write_site.note_type is not None
    assert rules.write_site.note_type.code == "11506-3"


def make_answers(**changes: Any) -> FirstAnswers:
    values: dict[str, Any] = {
        "base_url": "https://app.example",
        "environment": "test",
        "country": "US",
        "crisis_contact": None,
        "ehr_id": "clinic",
        "ehr_name": 'The "Clinic"',
        "fhir_base_url": "https://ehr.example/fhir",
        "client_id": "app",
        "profile": "generic",
    }
    return FirstAnswers(**{**values, **changes})


def test_the_written_file_starts_with_exactly_the_defaults() -> None:
    text = render_settings_file(make_answers())
    assert parse(tomllib.loads(text)) == parse(with_ehr(name='The "Clinic"'))


def test_the_written_file_carries_every_answer() -> None:
    answers = make_answers(
        country="NL",
        crisis_contact="113",
        allow_private=("10.0.0.0/8",),
        organization="Organization/1",
        organization_name="Clinic",
        frame_ancestors=("https://ehr.example",),
        signers=('{ identities = ["Practitioner/7"] }',),
        closers=('{ fhir_user_type = "Practitioner" }',),
        co_signers=('{ role_codes = ["s|c"] }',),
        readers=("s-1",),
        comment="two\nlines",
        log_format="plain",
    )
    settings = parse(tomllib.loads(render_settings_file(answers)))
    assert settings.crisis.contact == "113"
    assert settings.ehrs[0].organization == "Organization/1"
    assert settings.ehrs[0].frame_ancestors == ("https://ehr.example",)
    assert [str(network) for network in settings.ehrs[0].allow_private] == ["10.0.0.0/8"]
    assert settings.rights.sign == (RightsEntry(identities=("Practitioner/7",)),)
    assert settings.rights.close_alert == (RightsEntry(fhir_user_type="Practitioner"),)
    assert settings.rights.co_sign == (RightsEntry(role_codes=("s|c",)),)
    assert settings.alerts.readers == ("s-1",)
    assert settings.logs.format == "plain"


def _uncommented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield line[1:] if line.startswith("#") and not line.startswith("# ") and line != "#" else line


def test_the_written_file_explains_every_setting() -> None:
    """Each key of each section stands in the file, commented out or not."""
    text = "\n".join(line for line in _uncommented(render_settings_file(make_answers())) if not line.startswith("# "))
    shown = tomllib.loads(text)
    for name, section in SECTIONS.items():
        hidden = {"enter", "act_on_alert"} if name == "rights" else set()
        assert set(shown[name]) == set(section.model_fields) - hidden, name
    assert set(shown["ehr"][0]) == set(EhrEntry.model_fields) - {"client_secret"}


def test_the_defaults_in_the_comments_are_the_defaults() -> None:
    text = "\n".join(line for line in _uncommented(render_settings_file(make_answers())) if not line.startswith("# "))
    shown = tomllib.loads(text)
    for name in ("sessions", "instruments", "practice", "retention", "logs"):
        defaults = SECTIONS[name]().model_dump(mode="json")
        assert shown[name] == {key: list(v) if isinstance(v, tuple) else v for key, v in defaults.items()}


@pytest.mark.parametrize("languages", [{}, {"English": "English"}, {"en": ""}, {"en_US": "English"}])
def test_a_language_is_a_bcp_47_code_with_a_name(languages: dict[str, str]) -> None:
    (fault,) = faults_of(make_values(instruments={"languages": languages}))
    assert fault.startswith("instruments.languages")


@pytest.mark.parametrize(
    "instruments",
    [
        {"cutoffs": {"phq-2-total": "two"}},
        {"change_figures": {"phq-9-total": "lowe-2004"}},
        {"change_figures": {"phq-9-total": {"recovery": "nhs-recovery"}}},
    ],
)
def test_a_choice_of_figures_names_score_kind_and_figure(instruments: dict[str, Any]) -> None:
    (fault,) = faults_of(make_values(instruments=instruments))
    assert fault.startswith(f"instruments.{next(iter(instruments))}.")


def test_languages_may_come_from_the_environment() -> None:
    settings = parse(make_values(), SMART_SCREENING_INSTRUMENTS_LANGUAGES='{"en-GB": "English"}')
    assert settings.instruments.languages == {"en-GB": "English"}


def test_a_supervisors_name_needs_a_supervisor() -> None:
    entry: dict[str, Any] = {"identities": ["Practitioner/7"], "supervisor_name": "Dr. Lindqvist"}
    assert faults_of(make_values(rights={"sign": [entry]})) == ["rights.sign[0]"]
    rights = {"sign": [{**entry, "supervisor": "Practitioner/9"}], "co_sign": [{"identities": ["Practitioner/9"]}]}
    rule, _ = build_rights_rules(parse(make_values(rights=rights)).rights)
    assert (rule.supervisor, rule.supervisor_name) == ("Practitioner/9", "Dr. Lindqvist")
