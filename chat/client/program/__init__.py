"""Start the client, log in, reconnect, and end: the program around the conversation.

Nothing here knows the screen: ``chat.client.cli`` chooses between the screen and ``program``.
"""
