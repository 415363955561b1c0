"""Ask for earlier messages: for one page, or for page after page while a program iterates.

Nothing here knows a socket, or how anything is shown.
"""
