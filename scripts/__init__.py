"""Scripts for the Makefile and bin/; no part of the package."""
