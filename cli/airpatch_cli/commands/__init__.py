"""One module for each command: its `run(args, console)` does the work and returns the result to report.

Modules are loaded when their command is called, so that `--help` does not wait for libraries.
"""
