"""Benchmarks: many experiments against a known truth."""
