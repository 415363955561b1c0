"""Turn bytes of a terminal into keys, and keys into changes of the text that is being written.

Nothing here knows curses, or the connection.
"""
