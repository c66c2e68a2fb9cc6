"""Sparsifiers that work while training, one file each: penalties, gates, regrowth."""
