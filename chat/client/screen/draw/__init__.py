"""Turn the model into the rows of the screen.

Nothing here changes the model, handles a key, or knows the terminal.
"""
