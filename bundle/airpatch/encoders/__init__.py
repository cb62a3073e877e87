"""Replicas of the deflate encoders that write image layers: uncompressed data in, the encoder's exact bytes out."""
