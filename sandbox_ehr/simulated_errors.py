"""Errors that a launch can ask the authorization server to make, so that an app's handling of each can be seen.

Authorization errors: RFC 6749 section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6. Token errors: RFC 6749 section
5.2, and
departures seen at real servers.
"""

from __future__ import annotations

from collections.abc import Mapping

AUTHORIZE_ERRORS: Mapping[str, str] = {
    "access_denied": "The user or the server refused",
    "invalid_request": "The request is said to be malformed",
    "invalid_scope": "The scopes are said to be malformed or too wide",
    "unauthorized_client": "The app may not use this way of authorization",
    "login_required": "The user would have to log in",
    "interaction_required": "The user would have to act",
    "server_error": "The authorization server failed",
    "temporarily_unavailable": "The authorization server is overloaded",
}
"""Sent back to the redirect address as `error`."""

TOKEN_ERRORS: Mapping[str, str] = {
    "token_invalid_grant": "The token endpoint answers 400 invalid_grant",
    "token_invalid_client": "The token endpoint answers 401 invalid_client",
    "token_server_error": "The token endpoint answers 500 with an HTML page",
    "token_html": "The token endpoint answers 200 with an HTML page",
    "token_without_scope": "The token response has no scope",
    "token_without_patient": "The token response has no patient",
    "token_without_encounter": "The token response has no encounter",
    "token_without_id_token": "The token response has no id_token",
    "id_token_wrong_signature": "The id_token is signed with a key that is not published",
    "id_token_wrong_issuer": "The id_token names another issuer",
    "id_token_wrong_audience": "The id_token is for another client",
    "id_token_wrong_nonce": "The id_token carries another nonce",
    "id_token_expired": "The id_token expired an hour ago",
    "id_token_unsigned": "The id_token has alg none",
}
"""Met at the token endpoint, the authorization having gone well."""

SIMULATED_ERRORS: Mapping[str, str] = {**AUTHORIZE_ERRORS, **TOKEN_ERRORS}
