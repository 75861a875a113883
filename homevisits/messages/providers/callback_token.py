"""A word in the addresses we give to machines that sign nothing: only who was given the address can call it."""

import hmac
from hashlib import sha256

PURE = True

INBOUND = "inbound"


def mac(secret: str, what: str) -> str:
    """The word for `what`: 32 hexadecimal digits."""
    return hmac.new(secret.encode(), f"kannel:{what}".encode(), sha256).hexdigest()[:32]


def genuine(secret: str, what: str, given: str) -> bool:
    """Whether `given` is the word for `what`, compared in constant time. Without a secret nothing is."""
    return bool(secret) and hmac.compare_digest(mac(secret, what).encode(), given.encode())
