"""Tiles that are stored without loss, and images of nothing else."""
