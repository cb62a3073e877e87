"""Layer patches: a changed layer as the difference of uncompressed layers and a way to rebuild its compressed bytes.

What makes and carries out layer patches knows blobs, scratch files and the rows of an index that describe steps, and
neither bundles nor images. Only `proof` and `rebuilt_content` read bundles. import-linter keeps it so.
"""
