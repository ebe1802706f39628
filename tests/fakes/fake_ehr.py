"""A small EHR on loopback for the tests of `launch`: it records every request and answers as the test scripts it.

It is a real HTTP server, so that time-outs, resets, redirects and huge bodies are real too. It checks nothing:
the tests compare what it recorded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from launch.ehr import ClientAuth, Ehr
from launch.ehr_profile import get_ehr_profile

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CLIENT_ID = "screening-app"
CLIENT_SECRET = "not-a-real-secret"
REDIRECT_URI = "https://app.example/callback"
LOOPBACK = (ip_network("127.0.0.0/8"),)
RSA_KEY = RSAKey.generate_key(2048, parameters={"kid": "ehr-1", "use": "sig", "alg": "RS256"})
OTHER_RSA_KEY = RSAKey.generate_key(2048, parameters={"kid": "ehr-2", "use": "sig", "alg": "RS256"})
EC_KEY = ECKey.generate_key("P-384", parameters={"kid": "ehr-3", "use": "sig"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request as it arrived. Header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    connection: tuple[str, int]

    @property
    def form(self) -> dict[str, str]:
        """The form fields; a repeated one fails."""
        parsed = parse_qs(self.body.decode("ascii"), strict_parsing=True, keep_blank_values=True)
        assert all(len(values) == 1 for values in parsed.values())
        return {name: values[0] for name, values in parsed.items()}

    @property
    def json(self) -> Any:
        """The JSON body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One scripted answer. `chunks` are written one by one, chunked; `abort` resets the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Callable[[], Iterator[bytes]] | None = None
    abort: bool = False
    wait_for: threading.Event | None = None

    @classmethod
    def json(
        cls, values: object, *, status: int = 200, content_type: str = "application/json", **headers: str
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status=status, body=json.dumps(values).encode(), headers={"Content-Type": content_type, **named})

    @classmethod
    def fhir(cls, values: object, *, status: int = 200, **headers: str) -> Answer:
        return cls.json(values, status=status, content_type="application/fhir+json", **headers)

    @classmethod
    def html(cls, *, status: int = 200) -> Answer:
        return cls(status=status, body=b"<html><body>Sign in</body></html>", headers={"Content-Type": "text/html"})


Script = Answer | Callable[[Recorded], Answer]


class FakeEhr:
    """The server. `on` scripts a path; several scripts are used in turn, the last one again and again."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Recorded] = []
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._lock = threading.Lock()
        self.last_authorization: dict[str, str] = {}
        self.token_values: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                owner._serve(self)

            do_POST = do_PUT = do_CONNECT = do_GET  # noqa: N815 - the names that http.server calls

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

            def date_time_string(self, timestamp: float | None = None) -> str:
                return NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.fhir_base_url = f"{self.origin}/fhir"
        self.token_endpoint = f"{self.origin}/auth/token"
        self.on("GET", "/fhir/.well-known/smart-configuration", lambda _: Answer.json(self.configuration()))
        self.on("GET", "/auth/jwks", lambda _: Answer.json({"keys": [RSA_KEY.as_dict(private=False)]}))
        self.on("POST", "/auth/token", lambda _: Answer.json(self.token_response()))
        self.on("POST", "/auth/revoke", Answer())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def on(self, method: str, path: str, *scripts: Script) -> None:
        self._scripts[method, path] = list(scripts)

    def ehr(self, **overrides: Any) -> Ehr:
        """This server as a registry entry."""
        values: dict[str, Any] = {
            "id": "fake",
            "name": "Fake EHR",
            "fhir_base_url": self.fhir_base_url,
            "client_id": CLIENT_ID,
            "profile": get_ehr_profile("generic"),
            "allow_private": LOOPBACK,
        }
        if overrides.get("client_auth") is ClientAuth.CLIENT_SECRET_BASIC:
            values["client_secret"] = CLIENT_SECRET
        return Ehr(**{**values, **overrides})

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.fhir_base_url,
            "jwks_uri": f"{self.origin}/auth/jwks",
            "authorization_endpoint": f"{self.origin}/auth/authorize",
            "token_endpoint": self.token_endpoint,
            "revocation_endpoint": f"{self.origin}/auth/revoke",
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "launch-standalone", "permission-v1", "permission-v2", "sso-openid-connect"],
        }

    def authorize(self, url: str) -> dict[str, list[str]]:
        """Take the browser's visit to the authorization endpoint and return the callback's parameters."""
        parsed = parse_qs(urlsplit(url).query, strict_parsing=True)
        self.last_authorization = {name: values[0] for name, values in parsed.items()}
        return {"code": ["code-1"], "state": [self.last_authorization["state"]]}

    def id_token_claims(self) -> dict[str, Any]:
        return {
            "iss": self.fhir_base_url,
            "sub": "user-1",
            "aud": CLIENT_ID,
            "exp": int((NOW + timedelta(minutes=5)).timestamp()),
            "iat": int(NOW.timestamp()),
            "nonce": self.last_authorization.get("nonce", "nonce-1"),
            "fhirUser": f"{self.fhir_base_url}/Practitioner/dr-1",
            **self.claims,
        }

    def token_response(self) -> dict[str, Any]:
        values = {
            "access_token": "access-1",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": self.last_authorization.get("scope", "openid fhirUser patient/*.cruds user/Practitioner.r"),
            "id_token": sign_id_token(self.id_token_claims()),
            "refresh_token": "refresh-1",
            "patient": "pat-1",
            "encounter": "enc-1",
            **self.token_values,
        }
        return {name: value for name, value in values.items() if value is not None}

    def recorded(self, method: str, path: str) -> list[Recorded]:
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        target = urlsplit(handler.path)
        recorded = Recorded(
            method=handler.command,
            path=target.path,
            query=parse_qs(target.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=handler.rfile.read(int(handler.headers.get("Content-Length", 0))),
            connection=handler.client_address,
        )
        with self._lock:
            self.requests.append(recorded)
            scripts = self._scripts.get((recorded.method, recorded.path), [Answer(status=404)])
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        answer = script if isinstance(script, Answer) else script(recorded)
        if answer.wait_for is not None:
            answer.wait_for.wait(10)
        if answer.abort:
            # Linger 0: the client sees a reset, not an orderly end.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
            return
        with suppress(OSError):
            self._answer(handler, answer)

    def _answer(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.chunks is None:
            if "Content-Length" not in answer.headers:
                handler.send_header("Content-Length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in answer.chunks():
            handler.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")


def sign_id_token(claims: Mapping[str, Any], *, key: RSAKey | ECKey = RSA_KEY, **header: Any) -> str:
    """Sign claims as the EHR does."""
    algorithm = header.pop("alg", "RS256")
    return jwt.encode({"alg": algorithm, "kid": key.kid, **header}, dict(claims), key, algorithms=[algorithm])


def s256(code_verifier: str) -> str:
    """The challenge of a verifier, computed without the code under test."""
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
