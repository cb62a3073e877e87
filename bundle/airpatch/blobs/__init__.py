"""Bytes by digest: read, verified, spooled. Knows no bundle, no layer patch and no image."""
