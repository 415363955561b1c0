"""Draw pictures in half-blocks, with a decoder that runs in a process without any rights.

Nothing here knows the model.
"""
