"""The grammar of the command line. Imports nothing slow: `--help` and completion need only this package."""
