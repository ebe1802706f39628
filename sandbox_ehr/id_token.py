"""id_token: OpenID Connect Core 1.0 section 2, and `fhirUser` as.

Source: SMART App Launch 2.2 defines it,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt

from sandbox_ehr.accounts import Account
from sandbox_ehr.issued_tokens import Authorization
from sandbox_ehr.scope_grant import asks_for
from sandbox_ehr.signing_keys import ALGORITHM, SigningKeys

LIFETIME = timedelta(minutes=5)


def build_id_token(authorization: Authorization, user: Account, *, keys: SigningKeys, now: datetime) -> str:
    """Sign who authorized; with `fhirUser` (absolute) where that scope was granted and the account has one.

    An `id_token_…` error that the launch asks for is put in here.
    """
    simulated = authorization.context.simulated_error
    issued = now - timedelta(hours=1, minutes=5) if simulated == "id_token_expired" else now
    claims: dict[str, Any] = {
        "iss": authorization.fhir_base_url,
        "sub": user.account_id,
        "aud": authorization.client_id,
        "iat": int(issued.timestamp()),
        "exp": int((issued + LIFETIME).timestamp()),
        "auth_time": int(authorization.authorized_at.timestamp()),
        "name": user.name,
    }
    if authorization.nonce is not None:
        claims["nonce"] = authorization.nonce
    if user.fhir_user is not None:
        reference = f"{authorization.fhir_base_url}/{user.fhir_user}"
        claims |= {claim: reference for claim in ("fhirUser", "profile") if asks_for(authorization.scope, claim)}
    wrong: dict[str | None, tuple[str, str]] = {
        "id_token_wrong_issuer": ("iss", "https://another-issuer.example/fhir"),
        "id_token_wrong_audience": ("aud", "another-client"),
        "id_token_wrong_nonce": ("nonce", "another-nonce"),
    }
    if simulated in wrong:
        claim, value = wrong[simulated]
        claims[claim] = value
    if simulated == "id_token_unsigned":
        return f"{_encode({'alg': 'none', 'typ': 'JWT'})}.{_encode(claims)}."
    key = keys.current
    signer = SigningKeys().current if simulated == "id_token_wrong_signature" else key
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}, claims, signer, [ALGORITHM])


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
