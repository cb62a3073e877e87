"""Images to pack: every kind of source (`dir:` trees, registry storage, OCI layouts, ...) gives the same release."""
