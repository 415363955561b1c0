"""Put the events of the connection into the model.

Nothing here draws, handles a key, or knows the terminal.
"""
