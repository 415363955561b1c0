"""Put the messages of a room or a user in order, and number them.

The log does not know which users get a message.
"""
