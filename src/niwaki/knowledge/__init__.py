"""Priors: reading, aligning, corrupting, and what they imply for layers."""
