"""One module for each command: `run(args, console)` does it and returns the result to report.

Modules are loaded when their command is called, so that `--help` does not wait for libraries.
"""
