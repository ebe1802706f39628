"""Errors of the wire and of discovery (SMART App Launch 2.2, "Conformance")."""

from __future__ import annotations

from launch.errors.root import TELL_IT, WAIT, LaunchError


class TransportError(LaunchError):
    """A request that brought no usable answer. `sent` tells whether a byte of it can have reached the server."""

    code = "transport-error"
    title = "The EHR could not be reached"
    remedy = f"{WAIT} {TELL_IT}"

    def __init__(self, problem: str = "", *, sent: bool, ehr_id: str | None = None, field: str | None = None) -> None:
        super().__init__(problem, ehr_id=ehr_id, field=field)
        self.sent = sent


class EndpointNotAllowed(TransportError):
    """An address outside the hosts that this EHR's entry allows, or one that is not a plain https URL."""

    code = "endpoint-not-allowed"
    title = "The EHR named an address that is not allowed"
    remedy = f"Nothing was sent there. {TELL_IT}"


class PrivateAddressRefused(TransportError):
    """The name leads to a private, loopback or link-local address that this EHR's entry does not allow."""

    code = "private-address-refused"
    title = "The EHR's address leads into a private network"
    remedy = "Nothing was sent. IT can allow the range in this EHR's settings if it is meant."


class ConnectFailed(TransportError):
    """Name look-up, TCP connection or TLS handshake failed: not one byte of the request left."""

    code = "connect-failed"


class ConnectionBroken(TransportError):
    """The connection ended before the answer was complete."""

    code = "connection-broken"
    title = "The connection to the EHR broke off"


class ReadTimeout(TransportError):
    """No complete answer in the time allowed."""

    code = "read-timeout"
    title = "The EHR took too long to answer"
    http_status = 504


class RedirectRefused(TransportError):
    """A 3xx. A token must not follow it to another address."""

    code = "redirect-refused"
    title = "The EHR answered with a redirect, which the app does not follow"
    remedy = TELL_IT


class TooLarge(TransportError):
    """The answer is longer than the cap; reading stopped there."""

    code = "too-large"
    title = "The EHR sent more than the app accepts"
    remedy = TELL_IT


class DiscoveryError(LaunchError):
    """`.well-known/smart-configuration` did not give a usable configuration."""

    code = "discovery-failed"
    title = "The EHR's SMART configuration could not be read"
    remedy = f"{WAIT} {TELL_IT}"


class DiscoveryNotJson(DiscoveryError):
    """The answer is not a JSON object: often a log-in page or a proxy's error page."""

    code = "discovery-not-json"


class InvalidSmartConfiguration(DiscoveryError):
    """A field is missing or has the wrong type."""

    code = "invalid-smart-configuration"
    title = "The EHR's SMART configuration has a fault"
    remedy = TELL_IT


class S256NotAdvertised(DiscoveryError):
    """`code_challenge_methods_supported` lacks S256, and the entry does not say that this is known."""

    code = "s256-not-advertised"
    title = "The EHR does not say that it protects the launch (PKCE S256)"
    remedy = "IT can allow it for this EHR in the app's settings after asking the vendor."


class UnsupportedFhirVersion(LaunchError):
    """The CapabilityStatement names another version than FHIR R4 (4.0.x)."""

    code = "unsupported-fhir-version"
    title = "The EHR's address does not speak FHIR R4"
    remedy = "IT needs to register the EHR's R4 address."
