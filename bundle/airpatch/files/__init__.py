"""Files of a product other than images, such as scripts and charts, as an OCI artifact of the release, and back."""
