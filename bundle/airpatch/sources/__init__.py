"""Images to pack: trees of `dir:` images, registry storage, OCI layouts and bundles, all giving the same release."""
