"""HMAC token for callback URLs of providers that do not sign requests."""

import hmac
from hashlib import sha256

PURE = True

INBOUND = "inbound"  # subject of the token in the URL for received messages


def compute_token(secret: str, subject: str) -> str:
    """Return the token for an attempt ID or `INBOUND`: 32 hexadecimal digits."""
    return hmac.new(secret.encode(), f"kannel:{subject}".encode(), sha256).hexdigest()[:32]


def is_valid_token(secret: str, subject: str, token: str) -> bool:
    """Check a token in constant time. Always False without a secret."""
    return bool(secret) and hmac.compare_digest(compute_token(secret, subject).encode(), token.encode())
