"""Replicas of the deflate encoders that write image layers: plaintext in, the encoder's exact bytes out."""
