"""Pruning any PyTorch module: masks, statistics, the pruner, what is left afterwards."""
