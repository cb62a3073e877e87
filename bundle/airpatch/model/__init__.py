"""Values of the domain: digests, names, manifests, releases. Pure: no files, clocks or logs."""
