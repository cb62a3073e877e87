"""Other hosts, reached over ssh."""
