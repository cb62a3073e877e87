"""Files of a product that are no images, such as scripts and charts, as an OCI artifact of the release, and back."""
