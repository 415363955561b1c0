"""Files of this machine: a directory packed as one file, and attachments that wait in a temporary directory.

Nothing here knows a connection, or how anything is shown.
"""
