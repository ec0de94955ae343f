"""Short digests of what is compared."""
import hashlib
import json


def digest(value):
    """16 hex digits of a value that JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
