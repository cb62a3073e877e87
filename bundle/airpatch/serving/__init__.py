"""A read-only registry straight from bundles and roots (OCI distribution-spec 1.1)."""
