"""A command that calls a driver goes on in a child process, which a supervisor process watches."""
