"""Registries over HTTP (OCI distribution-spec 1.1): addresses, credentials, transport, pulling and pushing of blobs."""
