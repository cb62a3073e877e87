"""How large the files may be that say whom to trust, in bytes."""

MAX_ALLOWED_SIGNERS = 1 << 20
"""Ten thousand signers take less."""
MAX_REVOKED = 16 << 20
"""A million revoked serial numbers take half of it."""
