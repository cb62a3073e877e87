"""Layer patches: a changed layer as the difference of plaintexts and a way to rebuild its exact compressed bytes.

Knows blobs and scratch files; nothing of images, bundles' members or targets.
"""
