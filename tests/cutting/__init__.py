"""Cut links, kill programs, slow the disk; check that nothing was lost or doubled: ``python -m tests.cutting``."""
