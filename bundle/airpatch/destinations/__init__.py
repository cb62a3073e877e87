"""Images out of a registry's root or a bundle: as `dir:` folders or as one OCI layout."""
