"""Errors of the id_token (OpenID Connect Core 3.1.3.7)."""

from __future__ import annotations

from launch.errors.root import TELL_IT, WAIT, LaunchError


class IdTokenError(LaunchError):
    """The id_token cannot be trusted. Nobody is signed in."""

    code = "id-token-refused"
    title = "The EHR's statement of who you are could not be verified"


class IdTokenMalformed(IdTokenError):
    """Not a signed JWT with a JSON object in it, or a claim of the wrong type."""

    code = "id-token-malformed"


class IdTokenAlgorithmRefused(IdTokenError):
    """Signed with an algorithm outside our list (`none` and HMAC among them)."""

    code = "id-token-algorithm-refused"


class IdTokenKeyUnknown(IdTokenError):
    """No key of the issuer's JWKS fits, also after reading it again."""

    code = "id-token-key-unknown"


class IdTokenBadSignature(IdTokenError):
    """The signature is not the issuer's."""

    code = "id-token-bad-signature"


class IdTokenMissingClaim(IdTokenError):
    """A claim that OpenID Connect requires is not there."""

    code = "id-token-missing-claim"


class IdTokenWrongIssuer(IdTokenError):
    """`iss` is not the issuer registered for this EHR."""

    code = "id-token-wrong-issuer"


class IdTokenWrongAudience(IdTokenError):
    """`aud` does not name our client id, or `azp` names another."""

    code = "id-token-wrong-audience"


class IdTokenExpired(IdTokenError):
    """`exp` has passed by more than the leeway."""

    code = "id-token-expired"


class IdTokenNotYetValid(IdTokenError):
    """`iat` or `nbf` lies further ahead than the leeway."""

    code = "id-token-not-yet-valid"


class IdTokenNonceMismatch(IdTokenError):
    """`nonce` is missing though required, or not the one of this launch."""

    code = "id-token-nonce-mismatch"


class InvalidFhirUser(IdTokenError):
    """`fhirUser` is not a reference to a person on this EHR."""

    code = "invalid-fhir-user"


class JwksUnavailable(IdTokenError):
    """The issuer's keys could not be read."""

    code = "jwks-unavailable"
    remedy = f"{WAIT} {TELL_IT}"
