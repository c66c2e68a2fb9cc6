"""Degree inference: which power of a common factor a graph of operations passes on."""
