"""Errors of settings and of the way in (SMART App Launch 2.2, "Launch App: EHR Launch")."""

from __future__ import annotations

from launch.errors.root import LaunchError


class InvalidEhr(LaunchError):
    """A registry entry that cannot be used."""

    code = "invalid-ehr"
    title = "This EHR is not set up correctly"
    remedy = "The settings of this EHR need to be corrected by IT."
    http_status = 500


class InvalidEhrProfile(InvalidEhr):
    """A profile file with an unknown key, an empty rule or a value outside its list."""

    code = "invalid-ehr-profile"


class InvalidSigningKeys(LaunchError):
    """The private key file is missing, broken, or has no key for the algorithm that is asked for."""

    code = "invalid-signing-keys"
    title = "The app's own keys cannot be used"
    remedy = "IT needs to check the app's signing keys."
    http_status = 500


class MissingIss(LaunchError):
    """A launch without exactly one `iss`."""

    code = "missing-iss"
    title = "The launch did not say which EHR it comes from"
    remedy = "Open the app from inside a patient's chart. A bookmark or a typed address does not work."
    http_status = 400


class MissingLaunch(LaunchError):
    """An EHR launch without exactly one `launch`."""

    code = "missing-launch"
    title = "The launch came without its reference number"
    remedy = "Open the app from inside a patient's chart. A bookmark or a typed address does not work."
    http_status = 400


class UnknownIssuer(LaunchError):
    """`iss` is not registered. Refused before any network call."""

    code = "unknown-issuer"
    title = "This EHR is not registered with the app"
    remedy = "Ask your IT department to register it. Nothing was sent to the address that asked."
    http_status = 403


class BrokenSession(LaunchError):
    """A stored launch that exists but cannot be read back: told apart from there being none."""

    code = "broken-session"
    title = "The saved launch cannot be read"
    http_status = 500
