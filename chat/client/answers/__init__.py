"""Read what a server answers to commands that list something, such as the devices of a user.

Nothing here knows a socket, or how anything is shown.
"""
