"""The sub-commands: each has `Args`, its flags, and `main`, which parses them, runs and prints.

The first line of a module's docstring is its line in `aejax --help`.
"""
