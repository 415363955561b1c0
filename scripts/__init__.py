"""What the Makefile and bin/ call; no part of the package."""
