"""Readers, simulators, the split and the registry of public data sets."""
