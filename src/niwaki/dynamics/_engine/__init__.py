"""The engine: whole optimisation steps of the PHOENIX field as one compiled call."""
