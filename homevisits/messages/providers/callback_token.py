"""HMAC token for callback URLs of providers that do not sign requests."""

import hmac
from hashlib import sha256

PURE = True

INBOUND = "inbound"


def compute_token(secret: str, what: str) -> str:
    """Return the token of `what`: 32 hexadecimal digits."""
    return hmac.new(secret.encode(), f"kannel:{what}".encode(), sha256).hexdigest()[:32]


def is_valid_token(secret: str, what: str, given: str) -> bool:
    """Check a token in constant time. Always False without a secret."""
    return bool(secret) and hmac.compare_digest(compute_token(secret, what).encode(), given.encode())
