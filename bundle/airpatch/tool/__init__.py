"""The executable that travels beside a bundle, and what the person on the site types."""
