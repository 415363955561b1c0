"""What the figures about speed come from: our server and others, given the same work side by side."""
