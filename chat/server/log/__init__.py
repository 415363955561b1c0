"""Give each message of a room or a person its number.

The log does not know who hears a message.
"""
