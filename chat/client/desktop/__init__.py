"""Start other programs of this machine, such as those that open saved files.

Nothing here knows a connection, or how anything is shown.
"""
