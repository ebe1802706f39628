"""The two states of a launch: pending until the callback, active after it (SMART App Launch 2.2).

Both can be kept as JSON, encrypted by the caller: they hold secrets. Reading back is strict: what cannot be read raises
BrokenSession, so that a broken launch is never taken for a missing one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from launch.context import LaunchContext, parse_launch_context
from launch.errors import BrokenSession
from launch.fields import Fields, InvalidField, parse_json_object
from launch.id_token import VerifiedIdToken
from launch.scopes import MissingScopes, RequestedScope, Scopes

PENDING_LIFETIME = timedelta(minutes=10)
_VERSION = 1
_State = TypeVar("_State")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLaunch:
    """A launch that has gone to the authorization endpoint and not come back. Used once; lives ten minutes.

    `issuer`: who must sign the id_token, fixed before the browser leaves (mix-up defence; SMART has no `iss` in the
    response).
    """

    state: str = field(repr=False)
    ehr_id: str
    iss: str
    launch: str | None = field(repr=False)
    redirect_uri: str
    scopes_asked: tuple[RequestedScope, ...]
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    issuer: str | None
    jwks_uri: str | None
    token_endpoint: str
    revocation_endpoint: str | None
    created_at: datetime
    expires_at: datetime

    def to_json(self) -> str:
        """Everything, secrets too: encrypt before storing."""
        return _to_json(
            "pending-launch",
            {
                "state": self.state,
                "ehr_id": self.ehr_id,
                "iss": self.iss,
                "launch": self.launch,
                "redirect_uri": self.redirect_uri,
                "scopes_asked": [
                    {"scope": item.scope, "reason": item.reason, "needed": item.needed} for item in self.scopes_asked
                ],
                "code_verifier": self.code_verifier,
                "nonce": self.nonce,
                "issuer": self.issuer,
                "jwks_uri": self.jwks_uri,
                "token_endpoint": self.token_endpoint,
                "revocation_endpoint": self.revocation_endpoint,
                "created_at": self.created_at.isoformat(),
                "expires_at": self.expires_at.isoformat(),
            },
        )

    @classmethod
    def from_json(cls, text: str) -> PendingLaunch:
        """Read back what to_json wrote. Raises BrokenSession."""
        return _from_json("pending-launch", text, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: Fields) -> PendingLaunch:
        return cls(
            state=fields.text("state"),
            ehr_id=fields.text("ehr_id"),
            iss=fields.text("iss"),
            launch=fields.find_text("launch"),
            redirect_uri=fields.text("redirect_uri"),
            scopes_asked=tuple(
                RequestedScope(scope=item.text("scope"), reason=item.text("reason"), needed=item.flag("needed"))
                for item in fields.objects("scopes_asked")
            ),
            code_verifier=fields.text("code_verifier"),
            nonce=fields.text("nonce"),
            issuer=fields.find_text("issuer"),
            jwks_uri=fields.find_text("jwks_uri"),
            token_endpoint=fields.text("token_endpoint"),
            revocation_endpoint=fields.find_text("revocation_endpoint"),
            created_at=fields.moment("created_at"),
            expires_at=fields.moment("expires_at"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """The tokens of one launch. They never leave the server. `expires_at` is when the access token ends (UTC)."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime

    def is_expired(self, now: datetime, *, leeway: timedelta = timedelta(seconds=30)) -> bool:
        """Whether the access token has ended or ends within `leeway`."""
        return now + leeway >= self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveLaunch:
    """A launch that is authorized: who, for which patient, with which rights. FhirReader and FhirWriter need one.

    `scopes` are those granted; `missing_scopes` tells what was asked and not given. `user` None: nobody can sign.
    """

    ehr_id: str
    fhir_base_url: str
    context: LaunchContext
    scopes: Scopes
    missing_scopes: MissingScopes
    tokens: TokenSet
    user: VerifiedIdToken | None
    token_endpoint: str
    revocation_endpoint: str | None
    started_at: datetime

    def to_json(self) -> str:
        """Everything, tokens too: encrypt before storing."""
        return _to_json(
            "active-launch",
            {
                "ehr_id": self.ehr_id,
                "fhir_base_url": self.fhir_base_url,
                "context": _context_values(self.context),
                "scope": self.scopes.text,
                "missing_scopes": {
                    "needed": list(self.missing_scopes.needed),
                    "optional": list(self.missing_scopes.optional),
                },
                "tokens": {
                    "access_token": self.tokens.access_token,
                    "refresh_token": self.tokens.refresh_token,
                    "expires_at": self.tokens.expires_at.isoformat(),
                },
                "user": None if self.user is None else self.user.to_values(),
                "token_endpoint": self.token_endpoint,
                "revocation_endpoint": self.revocation_endpoint,
                "started_at": self.started_at.isoformat(),
            },
        )

    @classmethod
    def from_json(cls, text: str) -> ActiveLaunch:
        """Read back what to_json wrote. Raises BrokenSession."""
        return _from_json("active-launch", text, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: Fields) -> ActiveLaunch:
        fhir_base_url = fields.text("fhir_base_url")
        missing, tokens = fields.object("missing_scopes"), fields.object("tokens")
        user, context = fields.find_object("user"), fields.object("context")
        if context.names() != _context_values(LaunchContext()).keys():
            raise fields.fault("context", "has other fields than we wrote")
        return cls(
            ehr_id=fields.text("ehr_id"),
            fhir_base_url=fhir_base_url,
            context=parse_launch_context(context, fhir_base_url=fhir_base_url),
            scopes=Scopes.parse(fields.find_string("scope") or ""),
            missing_scopes=MissingScopes(needed=missing.texts("needed"), optional=missing.texts("optional")),
            tokens=TokenSet(
                access_token=tokens.text("access_token"),
                refresh_token=tokens.find_text("refresh_token"),
                expires_at=tokens.moment("expires_at"),
            ),
            user=None if user is None else VerifiedIdToken.from_fields(user),
            token_endpoint=fields.text("token_endpoint"),
            revocation_endpoint=fields.find_text("revocation_endpoint"),
            started_at=fields.moment("started_at"),
        )


def _context_values(context: LaunchContext) -> dict[str, Any]:
    """In the spelling of the token response, so that one parser reads both."""
    items = [
        {
            "reference": item.reference,
            "canonical": item.canonical,
            "identifier": None
            if item.identifier is None
            else {"system": item.identifier.system, "value": item.identifier.value},
            "type": item.type,
            "role": item.role,
        }
        for item in context.fhir_context
    ]
    return {
        "patient": context.patient,
        "encounter": context.encounter,
        "fhirContext": items,
        "intent": context.intent,
        "tenant": context.tenant,
        "need_patient_banner": context.need_patient_banner,
        "smart_style_url": context.smart_style_url,
        "appContext": context.app_context,
    }


def _to_json(kind: str, values: dict[str, Any]) -> str:
    return json.dumps({"kind": kind, "version": _VERSION, **values}, ensure_ascii=False, separators=(",", ":"))


def _from_json(kind: str, text: str, build: Callable[[Fields], _State]) -> _State:
    try:
        fields = Fields(parse_json_object(text))
        if fields.text("kind") != kind:
            raise fields.fault("kind", "is another")
        if fields.number("version") != _VERSION:
            raise fields.fault("version", "is another")
        return build(fields)
    except InvalidField as exc:
        raise BrokenSession(exc.problem, field=exc.field) from exc
