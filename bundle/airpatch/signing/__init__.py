"""SSH signatures: made and checked as `ssh-keygen -Y sign` and `ssh-keygen -Y verify` do, without calling them.

`sshsig` is the format of a signature, `public_keys` and `certificates` say who made it, `allowed_signers` and
`revocation` say whom the reader trusts, and `policy` puts these together. All of them are pure; `signer` reads private
keys and talks to an agent.
"""

NAMESPACE = "airpatch"
"""Of signatures over the index of a bundle."""
MAX_SIGNATURES = 16
"""Of one bundle, as members of it."""
MAX_SIGNATURE = 16 << 10
"""Bytes of an armored signature. One by a certificate with an RSA key of 16384 bits takes less than 10 KiB."""
