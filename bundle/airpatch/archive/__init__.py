"""Bundles as files and streams: writing, reading, checking. Knows nothing of images' sources or of targets."""
