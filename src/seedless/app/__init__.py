"""The application layer: what a command does, a program can do.

It prints nothing, asks nobody and never ends the process.
`Workspace` is where a program begins: `from seedless import Workspace`.
"""
