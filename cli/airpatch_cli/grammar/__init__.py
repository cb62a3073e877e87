"""The grammar of the command line. Imports nothing that takes time: `--help` and completion need this package alone."""
