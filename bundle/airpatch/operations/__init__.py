"""What airpatch does: one module for each operation, of which `airpatch` itself shows the functions and their results.

An operation opens what it is given, works as its `Execution` says, and returns a value. It prints nothing; what decides
about the outcome is decided here or below, never in the command line.
"""
