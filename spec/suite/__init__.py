"""A conformance suite for readers of airpatch's formats. README.md has the protocol."""
