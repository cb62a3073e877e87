"""The command line of airpatch: arguments, progress, output. All work is done by the library, `airpatch`."""
