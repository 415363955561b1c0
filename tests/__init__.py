"""The tests, in the shape of the package; a regular package, so that no other ``tests`` on the path comes first."""
