"""Which weights to prune, how many and when: criteria, schedules and masks."""
