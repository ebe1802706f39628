"""The launcher page, launch links, the frame page, registered clients, headers, and the list of apps with access."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox_ehr.__main__ import main
from sandbox_ehr.registered_clients import (
    InvalidClientRegistration,
    RegisteredClient,
    demo_clients,
    parse_clients_file,
)
from sandbox_ehr.server import running_sandbox
from tests.unit.sandbox_ehr.app_driver import (
    APP_URL,
    BASE_URL,
    FHIR_BASE_URL,
    REDIRECT_URI,
    AppDriver,
    build_driver,
    open_driver,
    public_client,
    read_query,
)


@pytest.fixture
def driver() -> Iterator[AppDriver]:
    with open_driver() as driver:
        yield driver


def test_launch_link_sends_the_browser_to_the_app_with_iss_and_an_opaque_launch(driver: AppDriver) -> None:
    answer = driver.http.get("/launch?patient=pt-01&user=prac-bell&client=public-app", base_url=BASE_URL)
    assert answer.headers["Location"].startswith(f"{APP_URL}/launch?")
    query = read_query(answer)
    assert query.keys() == {"iss", "launch"}
    assert query["iss"] == FHIR_BASE_URL
    assert len(query["launch"]) == 64
    assert int(query["launch"], 16)


def test_launch_link_keeps_the_query_of_the_launch_address() -> None:
    driver = build_driver(public_client(launch_uri=f"{APP_URL}/launch?site=7"))
    query = read_query(driver.http.get("/launch?patient=pt-01", base_url=BASE_URL))
    assert query.keys() == {"site", "iss", "launch"}
    driver.app.close()


def test_persona_changes_the_fhir_base(driver: AppDriver) -> None:
    query = read_query(driver.http.get("/launch?patient=pt-01&persona=read-only", base_url=BASE_URL))
    base = f"{BASE_URL}/personas/read-only/fhir"
    assert query["iss"] == base
    token = driver.token(driver.get_code(query["launch"], aud=base)).get_json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    read = driver.http.get("/personas/read-only/fhir/Patient/pt-01", headers=headers, base_url=BASE_URL)
    assert read.get_json(force=True)["id"] == "pt-01"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("patient=nobody", "patient"),
        ("", "patient"),
        ("patient=pt-01&user=nobody", "user"),
        ("patient=pt-01&encounter=enc-02-now", "encounter"),
        ("patient=pt-01&client=nobody", "client"),
        ("patient=pt-01&launch_uri=https://evil.test/", "launch_uri"),
        ("patient=pt-01&persona=nobody", "persona"),
        ("patient=pt-01&simulate=nothing", "simulate"),
    ],
)
def test_impossible_launch_is_explained_and_goes_nowhere(driver: AppDriver, query: str, named: str) -> None:
    answer = driver.http.get(f"/launch?{query}", base_url=BASE_URL)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert f"That launch is not possible: {named}" in answer.text


def test_page_lists_everybody_and_says_that_all_is_synthetic(driver: AppDriver) -> None:
    page = driver.http.get("/", base_url=BASE_URL).text
    assert "Simulated EHR: synthetic patients only" in page
    assert "Zoë O&#39;Brien-Núñez" in page
    assert page.count('<option value="pt-') == 12
    for account in driver.app.accounts:
        assert f'<option value="{account}"' in page


def test_page_lists_the_encounters_of_the_chosen_patient(driver: AppDriver) -> None:
    page = driver.http.get("/?patient=pt-02", base_url=BASE_URL).text
    assert "enc-02-now" in page
    assert "enc-01-now" not in page


def test_frame_page_shows_whose_chart_it_is_and_holds_the_app(driver: AppDriver) -> None:
    answer = driver.http.get("/launch?patient=pt-02&client=public-app&frame=1", base_url=BASE_URL)
    page = driver.http.get(answer.headers["Location"], base_url=BASE_URL)
    assert "Zoë O&#39;Brien-Núñez" in page.text
    assert f'<iframe src="{APP_URL}/launch?iss=' in page.text
    assert "Zoë" not in page.text.split("<title>")[1].split("</title>")[0]
    assert f"frame-src {APP_URL}" in page.headers["Content-Security-Policy"]


def test_frame_page_holds_nothing_but_a_registered_address(driver: AppDriver) -> None:
    launch = driver.launch()
    for query in (f"launch={launch}&at=https://evil.test/", f"launch={'0' * 64}&at={APP_URL}/launch", ""):
        answer = driver.http.get(f"/frame?{query}", base_url=BASE_URL)
        assert answer.status_code == 404
        assert "<iframe" not in answer.text


def test_pages_carry_security_headers_and_let_forms_end_at_the_apps(driver: AppDriver) -> None:
    for path in ("/", "/auth/manage", "/nowhere"):
        headers = driver.http.get(path, base_url=BASE_URL).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert f"form-action 'self' {APP_URL};" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"


def test_every_answer_forbids_guessing_its_type(driver: AppDriver) -> None:
    for path in ("/", "/fhir/metadata", "/fhir/.well-known/smart-configuration", "/auth/jwks", "/auth/token"):
        assert driver.http.get(path, base_url=BASE_URL).headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/fhir/Patient/pt-01", "/auth/token", "/auth/revoke"])
def test_cross_origin_reading_is_for_the_origins_of_registered_apps(driver: AppDriver, path: str) -> None:
    def preflight(origin: str) -> str | None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = driver.http.options(path, headers=headers, base_url=BASE_URL)
        assert answer.status_code == 204
        assert "Access-Control-Allow-Credentials" not in answer.headers
        return answer.headers.get("Access-Control-Allow-Origin")

    assert preflight(APP_URL) == APP_URL
    assert preflight("https://evil.test") is None
    assert preflight("http://localhost:5000") is None


def test_cross_origin_app_sees_location_and_etag(driver: AppDriver) -> None:
    headers = {"Origin": APP_URL}
    exposed = driver.http.get("/fhir/Patient/pt-01", headers=headers, base_url=BASE_URL).headers
    assert {"Location", "ETag"} <= set(exposed["Access-Control-Expose-Headers"].split(", "))


def test_style_that_the_token_names_can_be_fetched(driver: AppDriver) -> None:
    with driver.http.get(driver.get_token()["smart_style_url"], base_url=BASE_URL) as style:
        assert style.get_json()["color_text"].startswith("#")
        assert style.headers["Access-Control-Allow-Origin"] == "*"


def test_body_over_the_limit_is_refused_with_an_outcome(driver: AppDriver) -> None:
    headers = {"Authorization": f"Bearer {driver.get_token()['access_token']}"}
    driver.app.config["MAX_CONTENT_LENGTH"] = 1
    answer = driver.http.post("/fhir/Observation", headers=headers, data=b"{}", base_url=BASE_URL)
    assert answer.status_code == 413
    assert answer.get_json(force=True)["issue"][0]["code"] == "too-long"


def test_merged_record_can_be_launched_by_link_and_is_not_listed(driver: AppDriver) -> None:
    token = driver.get_token(patient="pt-05-old")
    assert driver.read("Patient/pt-05-old", token["access_token"]).get_json(force=True)["active"] is False
    assert "pt-05-old" not in driver.http.get("/", base_url=BASE_URL).text


def test_access_of_an_app_is_listed_and_can_be_taken_back_from_this_page_only(driver: AppDriver) -> None:
    access_token = driver.get_token()["access_token"]
    page = driver.http.get("/auth/manage", base_url=BASE_URL).text
    assert "Public app" in page
    assert access_token not in page
    family = page.split('name="family" value="')[1].split('"')[0]
    foreign = driver.http.post(
        "/auth/manage", data={"family": family}, headers={"Origin": "https://evil.test"}, base_url=BASE_URL
    )
    assert foreign.status_code == 403
    assert driver.read("Patient/pt-01", access_token).status_code == 200
    driver.http.post("/auth/manage", data={"family": family}, headers={"Origin": BASE_URL}, base_url=BASE_URL)
    assert driver.read("Patient/pt-01", access_token).status_code == 401
    assert "Public app" not in driver.http.get("/auth/manage", base_url=BASE_URL).text


# Registered clients


def test_demo_clients_are_smart_screening_in_three_ways_and_any_app_here() -> None:
    ids = {client.client_id: client.client_auth for client in demo_clients()}
    assert ids == {
        "smart-screening": "public",
        "smart-screening-secret": "client_secret_basic",
        "smart-screening-jwt": "private_key_jwt",
        "any-loopback-app": "public",
    }
    assert demo_clients()[0].redirect_uris == ("http://127.0.0.1:8000/callback", "http://localhost:8000/callback")
    assert demo_clients("http://127.0.0.1:8123")[2].jwks_url == "http://127.0.0.1:8123/.well-known/jwks.json"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"redirect_uris": ()}, "redirect_uris"),
        ({"redirect_uris": ("/callback",)}, "redirect_uris"),
        ({"redirect_uris": (f"{REDIRECT_URI}#x",)}, "redirect_uris"),
        ({"redirect_uris": ("http://[",)}, "redirect_uris"),
        ({"launch_uri": "app:launch"}, "launch_uri"),
        ({"client_auth": "client_secret_post"}, "client_auth"),
        ({"client_auth": "client_secret_basic"}, "client_secret"),
        ({"client_secret": "x"}, "client_secret"),
        ({"client_auth": "private_key_jwt"}, "jwks_url or jwks"),
        ({"client_auth": "private_key_jwt", "jwks_url": "https://app.test/jwks", "jwks": {"keys": []}}, "jwks"),
    ],
)
def test_registration_that_does_not_fit_together_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidClientRegistration, match=field):
        public_client(**changes)


def test_clients_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(
        '[[client]]\nclient_id = "one"\nredirect_uris = ["https://app.test/cb"]\n'
        '[[client]]\nclient_id = "two"\nname = "Two"\nclient_auth = "client_secret_basic"\n'
        'client_secret = "s"\nredirect_uris = ["loopback"]\n',
        encoding="utf-8",
    )
    assert parse_clients_file(path) == (
        RegisteredClient(client_id="one", name="one", redirect_uris=("https://app.test/cb",)),
        RegisteredClient(
            client_id="two",
            name="Two",
            client_auth="client_secret_basic",
            client_secret="s",
            redirect_uris=("loopback",),
        ),
    )


_ONE = '[[client]]\nclient_id = "one"\nredirect_uris = ["https://app.test/cb"]\n'


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "",
        "client = 1",
        "client = [1]",
        "x = 1\n" + _ONE,
        _ONE + "color = 'red'\n",
        _ONE + "name = 7\n",
        _ONE + "jwks = 'x'\n",
        _ONE + _ONE,
        '[[client]]\nclient_id = "one"\nredirect_uris = "https://app.test/cb"\n',
        '[[client]]\nredirect_uris = ["https://app.test/cb"]\n',
    ],
)
def test_faulty_clients_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidClientRegistration):
        parse_clients_file(path)


def test_missing_clients_file_ends_the_command_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--clients", str(tmp_path / "none.toml")]) == 1
    assert "none.toml" in capsys.readouterr().err


def test_running_sandbox_knows_its_own_address() -> None:
    with running_sandbox() as ehr:
        assert ehr.fhir_base_url == f"{ehr.base_url}/fhir"
        client = ehr.app.test_client()
        document = client.get("/fhir/.well-known/smart-configuration").get_json()
        assert document["issuer"] == ehr.fhir_base_url
        assert not document["issuer"].endswith(":0/fhir")
