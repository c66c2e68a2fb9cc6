"""Niwaki: train along what is known, prune until the structure shows, say how sure that is."""

__version__ = "0.1.0"
