"""The apps that the simulated EHR knows.

Source: SMART App Launch 2.2 "Register App with EHR",
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr.
"""

from __future__ import annotations

import hmac
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin

from sandbox_ehr.errors import SandboxError

ClientAuth = Literal["public", "client_secret_basic", "private_key_jwt"]
CLIENT_AUTHS: tuple[str, ...] = get_args(ClientAuth)

ANY_LOOPBACK = "loopback"
"""As the only redirect URI: any http(s) address on this machine is taken. For foreign apps tried against the
sandbox."""

_AUTH_METHOD: Mapping[str, str] = {"public": "none"}
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class InvalidClientRegistration(SandboxError):
    """A registration in the clients file, or given by a test, cannot be used; the message names the field."""

    code = "invalid-client-registration"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredClient(ClientMixin):  # type: ignore[misc]  # Authlib ships no types
    """One registered app.

    redirect_uris: complete and fixed, or `(ANY_LOOPBACK,)`. launch_uri: where the launcher sends the browser, None for
    standalone
    apps. jwks: a JWK Set of public keys, only for private_key_jwt, instead of jwks_url. scope: the most it may be
    granted, None for all.
    Raises InvalidClientRegistration when the parts do not fit together.
    """

    client_id: str
    name: str
    client_auth: ClientAuth = "public"
    redirect_uris: tuple[str, ...]
    launch_uri: str | None = None
    client_secret: str | None = None
    jwks_url: str | None = None
    jwks: Mapping[str, Any] | None = None
    scope: str | None = None

    def __post_init__(self) -> None:
        def refuse(field: str, why: str) -> None:
            raise InvalidClientRegistration(f"client {self.client_id!r}: {field} {why}")

        if not self.client_id:
            refuse("client_id", "is empty")
        if self.client_auth not in CLIENT_AUTHS:
            refuse("client_auth", f"must be one of {', '.join(CLIENT_AUTHS)}")
        if not self.redirect_uris:
            refuse("redirect_uris", "needs at least one address")
        for uri in self.redirect_uris:
            if uri != ANY_LOOPBACK and not _is_complete(uri):
                refuse("redirect_uris", "must be complete http(s) addresses without a fragment")
        if self.launch_uri is not None and not _is_complete(self.launch_uri):
            refuse("launch_uri", "must be a complete http(s) address without a fragment")
        if (self.client_auth == "client_secret_basic") != bool(self.client_secret):
            refuse("client_secret", "belongs to client_secret_basic, and must be given there")
        if (self.client_auth == "private_key_jwt") != ((self.jwks_url is None) != (self.jwks is None)):
            refuse("jwks_url or jwks", "belongs to private_key_jwt, and exactly one must be given there")

    @property
    def takes_any_loopback(self) -> bool:
        """Whether any address on this machine is taken as redirect and launch address."""
        return self.redirect_uris == (ANY_LOOPBACK,)

    def origins(self) -> frozenset[str]:
        """Give the origins (scheme, host, port) of its registered addresses; none for `ANY_LOOPBACK`."""
        uris = [uri for uri in (*self.redirect_uris, self.launch_uri) if uri and uri != ANY_LOOPBACK]
        return frozenset("{0.scheme}://{0.netloc}".format(urlsplit(uri)) for uri in uris)

    def may_launch_at(self, uri: str) -> bool:
        """Tell whether the launcher may send the browser there: the registered launch address, or any loopback one."""
        return uri == self.launch_uri or (self.takes_any_loopback and is_loopback(uri))

    # What Authlib asks of a client (authlib.oauth2.rfc6749.ClientMixin).

    def get_default_redirect_uri(self) -> None:
        """Give none: SMART requires the parameter."""

    def get_allowed_scope(self, scope: str) -> str:
        """Give the asked scope unchanged: what is granted is decided once user and patient are known."""
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare as strings, RFC 9700 section 4.1.3: no prefixes, no patterns."""
        if self.takes_any_loopback:
            return is_loopback(redirect_uri)
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Compare in constant time."""
        return self.client_secret is not None and hmac.compare_digest(
            self.client_secret.encode(), client_secret.encode()
        )

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Allow only the registered way, at every endpoint."""
        return method == _AUTH_METHOD.get(self.client_auth, self.client_auth)

    def check_response_type(self, response_type: str) -> bool:
        """Allow `code` only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Allow the two grants of a launched app."""
        return grant_type in {"authorization_code", "refresh_token"}


def is_loopback(uri: str) -> bool:
    """Tell whether an address is http(s) on this machine and has no fragment."""
    return _is_complete(uri) and urlsplit(uri).hostname in _LOOPBACK_HOSTS


def _is_complete(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and "#" not in uri and not parts.username
    except ValueError:
        return False


_APP = "http://127.0.0.1:8000"


def demo_clients(app_base_url: str = _APP) -> tuple[RegisteredClient, ...]:
    """Give smart-screening with each of the three client authentications, and one id for any app on this machine."""
    own = {app_base_url, app_base_url.replace("//127.0.0.1", "//localhost")}
    redirects = tuple(f"{base}/callback" for base in sorted(own))
    launch_uri = f"{app_base_url}/launch"
    return (
        RegisteredClient(
            client_id="smart-screening",
            name="smart-screening, public client",
            redirect_uris=redirects,
            launch_uri=launch_uri,
        ),
        RegisteredClient(
            client_id="smart-screening-secret",
            name="smart-screening, client secret",
            client_auth="client_secret_basic",
            # Printed in the documentation: it opens synthetic charts only.
            client_secret="sandbox-secret-for-synthetic-patients",  # noqa: S106  # test equipment, see above
            redirect_uris=redirects,
            launch_uri=launch_uri,
        ),
        RegisteredClient(
            client_id="smart-screening-jwt",
            name="smart-screening, signed assertion",
            client_auth="private_key_jwt",
            jwks_url=f"{app_base_url}/.well-known/jwks.json",
            redirect_uris=redirects,
            launch_uri=launch_uri,
        ),
        RegisteredClient(client_id="any-loopback-app", name="Any app on this machine", redirect_uris=(ANY_LOOPBACK,)),
    )


def parse_clients_file(path: Path) -> tuple[RegisteredClient, ...]:
    """Read registrations from a TOML file of `[[client]]` tables whose keys are the fields of RegisteredClient.

    Raises InvalidClientRegistration for a file that is missing or no TOML, an unknown or mistyped key, or a repeated
    client_id.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise InvalidClientRegistration(f"{path.name} is not a readable TOML file") from exc
    tables = document.get("client")
    if set(document) != {"client"} or not isinstance(tables, list) or not tables:
        raise InvalidClientRegistration(f"{path.name} must hold [[client]] tables and nothing else")
    clients = tuple(_parse_client(table) for table in tables)
    ids = [client.client_id for client in clients]
    if len(set(ids)) != len(ids):
        raise InvalidClientRegistration(f"{path.name} repeats a client_id")
    return clients


_TEXT_FIELDS = ("client_id", "name", "client_auth", "launch_uri", "client_secret", "jwks_url", "scope")


def _parse_client(table: object) -> RegisteredClient:
    if not isinstance(table, dict):
        raise InvalidClientRegistration("client must be a table")
    table = dict(table)
    redirects = table.pop("redirect_uris", ())
    jwks = table.pop("jwks", None)
    texts: dict[str, str] = {}
    for key, value in table.items():
        if key not in _TEXT_FIELDS:
            raise InvalidClientRegistration(f"client: unknown key {key!r}")
        if not isinstance(value, str):
            raise InvalidClientRegistration(f"client: {key} must be text")
        texts[key] = value
    if not isinstance(redirects, list) or not all(isinstance(uri, str) for uri in redirects):
        raise InvalidClientRegistration("client: redirect_uris must be a list of texts")
    if jwks is not None and not isinstance(jwks, dict):
        raise InvalidClientRegistration("client: jwks must be a table")
    client_id = texts.pop("client_id", "")
    return RegisteredClient(
        client_id=client_id,
        name=texts.pop("name", client_id),
        client_auth=cast(ClientAuth, texts.pop("client_auth", "public")),
        redirect_uris=tuple(redirects),
        jwks=jwks,
        **texts,
    )
