"""A second reader of airpatch's formats, written from the documents of `spec/` alone.

It shares no code with airpatch and is made to be read beside the specification: it holds a release in memory, takes one
file at a time, and has no options. [README.md](README.md) says what it can and cannot do.
"""
