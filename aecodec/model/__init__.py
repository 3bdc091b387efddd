"""Models from disk: their weights and the networks that run them."""
