"""Which edges the data and a prior support: effects, trust, search, stability."""
