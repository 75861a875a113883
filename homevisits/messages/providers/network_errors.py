"""Classify network errors: not sent, or outcome unknown."""

from ssl import SSLCertVerificationError

from requests import exceptions
from requests.exceptions import ConnectTimeout, InvalidURL, MissingSchema, ProxyError, RequestException
from urllib3.exceptions import NameResolutionError, NewConnectionError

from homevisits.messages.providers.base import OutcomeUnknown, ProviderUnavailable


def classify_network_error(error: RequestException) -> ProviderUnavailable | OutcomeUnknown:
    """Return ProviderUnavailable if no connection was made, otherwise (reset, timeout) OutcomeUnknown."""
    # Proxy and certificate errors occur before the request is written.
    if isinstance(error, ConnectTimeout | ProxyError | InvalidURL | MissingSchema):
        return ProviderUnavailable("no_connection")
    if isinstance(error, exceptions.ConnectionError):
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        cause = reason.args[0] if reason is not None and reason.args else None
        if isinstance(reason, NewConnectionError | NameResolutionError) or isinstance(cause, SSLCertVerificationError):
            return ProviderUnavailable("no_connection")
    return OutcomeUnknown("no_answer")
