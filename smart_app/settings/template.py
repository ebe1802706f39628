"""The commented settings file that `init` writes: every setting explained, defaults commented out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from smart_app.settings.sections import US_CRISIS_CONTACT


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAnswers:
    """What a file cannot do without.

    ``signers``, ``closers``, ``co_signers`` are inline tables of ``[rights]``: ``{ identities = ["Practitioner/7"] }``.
    ``crisis_contact`` None: the default of the US. ``comment`` stands at the head of the file.
    """

    base_url: str
    environment: str
    country: str
    crisis_contact: str | None
    ehr_id: str
    ehr_name: str
    fhir_base_url: str
    client_id: str
    profile: str
    allow_private: tuple[str, ...] = ()
    organization: str | None = None
    organization_name: str | None = None
    frame_ancestors: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    closers: tuple[str, ...] = ()
    co_signers: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    comment: str = ""
    log_format: str = "json"
    instruments: tuple[str, ...] = ()


def render_settings_file(answers: FirstAnswers) -> str:
    """Give the text of smart-screening.toml."""
    head = [
        "# smart-screening: settings of one installation.",
        "# Every value can be overridden by the environment: SMART_SCREENING_<SECTION>_<KEY>,",
        "# for one EHR SMART_SCREENING_EHR_<ID>_<KEY> (lists and tables as JSON).",
        "# Secrets never stand here: name a file, or use the environment.",
        "# Lines with #key = value show the default.",
    ]
    if answers.comment:
        head += ["#", *(f"# {line}" for line in answers.comment.splitlines())]
    blocks = ["\n".join(head), _app(answers), _ehr(answers), _rights(answers), _crisis(answers), _REST]
    if answers.log_format != "json":
        blocks[-1] = _REST.replace('#format = "json"', f"format = {_text(answers.log_format)}")
    if answers.instruments:
        default = '#enabled = ["phq-9", "gad-7"]'
        blocks[-1] = blocks[-1].replace(default, f"enabled = {_list(answers.instruments)}")
    if answers.readers:
        blocks[-1] = blocks[-1].replace("#readers = []", f"readers = {_list(answers.readers)}")
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _app(answers: FirstAnswers) -> str:
    return f"""
[app]
# Where browsers and EHRs reach the app; https, plain http on localhost only. No path.
base_url = {_text(answers.base_url)}
# "test" shows a banner on every page; test and production never share a database.
environment = {_text(answers.environment)}
# ISO 3166-1 code. Outside the US, [crisis] must name the crisis line.
country = {_text(answers.country)}
# SQLite file, or postgresql+psycopg://… for many machines; with a password: SMART_SCREENING_APP_DATABASE_URL only.
#database_url = "sqlite:///smart-screening.db"
# Keys that encrypt what is stored and chain the audit (mode 0600). Back them up apart from the database.
#key_file = "smart-screening.keys.json"
# Private keys for EHRs that verify us by private_key_jwt (mode 0600).
#signing_keys_file = "smart-screening.jwks.json"
# IANA time zone of the times on pages and in notes.
#time_zone = "UTC"
# Base of a site's own instruments' canonicals.
#canonical_base = "https://forms.example.org/fhir"
"""


def _ehr(answers: FirstAnswers) -> str:
    return f"""
# One [[ehr]] per registration. Only these EHRs are ever called.
[[ehr]]
# Short name of ours: a-z, 0-9 and "-". It stands in the database: never change it.
id = {_text(answers.ehr_id)}
name = {_text(answers.ehr_name)}
# The FHIR base, as the EHR sends it in `iss`.
fhir_base_url = {_text(answers.fhir_base_url)}
# Many FHIR bases with one client: a TOML file of [[site]] tables (id, name, fhir_base_url) instead of fhir_base_url.
#sites_file = "sites.toml"
# Other spellings of `iss` for the same base (host case, default port and trailing slash don't matter).
#aliases = []
# The vendor's known departures from the standard: `smart-screening ehr list` names the profiles.
profile = {_text(answers.profile)}
# How the app is registered at the EHR.
client_id = {_text(answers.client_id)}
# "public", "client_secret_basic" (then client_secret_file) or "private_key_jwt".
#client_auth = "public"
#client_secret_file = "ehr.secret"
# "ES384" or "RS384", for private_key_jwt.
#signing_alg = "ES384"
# `iss` of its id_tokens, where it is not the one that discovery names.
#issuer = "https://login.example.org"
# Hosts of its OAuth endpoints beside the FHIR base's own.
#endpoint_hosts = []
# Private networks that its names may lead to; needed for plain http.
{_line("allow_private", answers.allow_private)}
# Refuse an EHR that does not advertise PKCE with S256 (it is used in any case).
#require_s256_advertised = true
# "require" where the EHR is known to return our nonce in the id_token.
#nonce = "if-returned"
# Whom clinicians sign for, where the Encounter names nobody: without it no Provenance can be written.
{_line("organization", answers.organization)}
{_line("organization_name", answers.organization_name)}
# Origins that may show the app in a frame.
{_line("frame_ancestors", answers.frame_ancestors)}
# Scopes asked for beside those that the features need.
#scopes = []
# Whether this EHR tells its tenants apart by the launch parameter `tenant`.
#tenant_required = false
# Ask for online_access, where access tokens live for minutes only.
#online_access = false
# Optional reads: "conditions", "medications", "documents".
#reads = []

# What this site wants written, as far as the EHR takes it.
[ehr.writes]
#responses = true
#observations = true
#item_observations = true
#notes = true
#provenance = true
# LOINC code of the note, instead of the profile's; and of a note that the portal does not release at once.
#note_type = "11506-3"
#restricted_note_type = "68608-9"
# Under this age nothing is preset on the sign page.
#age_of_majority = 18
"""


def _rights(answers: FirstAnswers) -> str:
    return f"""
# Who may do what. All staff may give, enter and act on an alert; nobody signs or closes an alert until named here.
# An entry names people by fhir_user_type, role_codes ("system|code" of PractitionerRole) or identities (fhirUser
# references or id_token subjects); several parts must all match. `ehr` limits it to one EHR. In `sign`, `supervisor`
# makes the signature wait for that person (`supervisor_name` where the EHR cannot tell the name).
# Beware: a medical assistant is a Practitioner too.
[rights]
sign = {_tables(answers.signers)}
close_alert = {_tables(answers.closers)}
# Supervisors.
co_sign = {_tables(answers.co_signers)}
#administer = []
"""


def _crisis(answers: FirstAnswers) -> str:
    default = f"#contact = {_text(US_CRISIS_CONTACT)}"
    return f"""
# Readable text on every page that a patient sees.
[crisis]
{default if answers.crisis_contact is None else f"contact = {_text(answers.crisis_contact)}"}
""".replace("[crisis]\n#", "#[crisis]\n#")


_REST = """
[sessions]
# After this many minutes without a click the app shows nothing more until it is opened again.
#idle_minutes = 20
# After this many hours a launch is over.
#absolute_hours = 10

[instruments]
# Offered in this order.
#enabled = ["phq-9", "gad-7"]
# Folder of the site's own instruments (*.json) and of its licensed texts for those that ship without (*.toml).
#folder = "instruments"
# Languages in which they are given here, BCP 47 code and name; each is offered in those that it is worded in.
#languages = { en = "English" }
# Use rules for missing items that are not the instrument's author's own; they are labelled wherever they are used.
#prorate = false
# Where several cut-offs are published for the same people, the one that decides here, by score id: phq-2-total = 2.
#cutoffs = {}
# Where several figures of change are published, the one in use here, by score id and kind:
# { phq-9-total = { reliable-change = "lowe-2004" } } calls 5 points of the PHQ-9 reliable in place of 6.
#change_figures = {}

[practice]
# A draft may be continued for this many hours, by the same informant.
#draft_hours = 24

[alerts]
# Whose list shows every open alert, beside those who gave the screening (fhirUser references or subjects).
#readers = []

[retention]
# Answers whose structured copy is in the chart go after this many days; where the chart holds only the note, they stay.
#answers_days = 90
#note_only_years = 7
#audit_years = 6
#session_days = 30

[http]
# Proxy for the way to EHRs, and a PEM file of the site's own certificate authority.
#proxy = "http://proxy.example.org:3128"
#ca_file = "ca.pem"
# How many reverse proxies in front of the app set X-Forwarded-*.
#trusted_proxies = 0
# Seconds.
#connect_timeout = 5.0
#read_timeout = 20.0

[logs]
# "json" or "plain", to standard error. Keep the audit-head lines: they anchor `audit verify`.
#format = "json"
#level = "INFO"
"""


def _line(key: str, value: str | Iterable[str] | None) -> str:
    if value is None or value == ():
        return f"#{key} = " + ('""' if value is None else "[]")
    return f"{key} = " + (_text(value) if isinstance(value, str) else _list(value))


def _text(value: str) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(value, ensure_ascii=False)


def _list(values: Iterable[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def _tables(tables: tuple[str, ...]) -> str:
    return "[\n" + "".join(f"    {table},\n" for table in tables) + "]" if tables else "[]"
