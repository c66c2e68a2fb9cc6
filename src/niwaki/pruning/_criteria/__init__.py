"""Criteria, one file each: which weights matter least."""
