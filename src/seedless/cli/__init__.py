"""The command line. Nothing is imported here: `seedless --help` has to be quick."""
