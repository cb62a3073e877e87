"""What airpatch does: one module for each operation. The package `airpatch` exports its functions and their results.

An operation opens what it is given, works as its `Execution` says, and returns a value. It prints nothing; everything
that affects the outcome is decided here or below, never in the command line.
"""
