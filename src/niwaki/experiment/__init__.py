"""From a configuration to objects to a run folder; the only package that composes."""
