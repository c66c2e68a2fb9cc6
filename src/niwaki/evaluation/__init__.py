"""Scores of networks and forecasts, and the baselines to hold them against."""
