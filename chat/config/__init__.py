"""Read what an operator or a user types: the command line, and files of settings.

Both programs use this package. It does not know any option of theirs: each program brings its own table of options.
"""
