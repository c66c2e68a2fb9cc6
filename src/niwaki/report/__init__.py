"""One offline HTML page from a run folder."""
