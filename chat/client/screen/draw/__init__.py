"""Turn the model into the rows of the screen.

Nothing here changes the model, or knows keys and the terminal.
"""
