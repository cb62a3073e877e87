"""Stores of releases, in a folder or in object storage: blobs once, and what is known of layers (spec/STORE.md)."""
