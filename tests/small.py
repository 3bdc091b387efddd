"""The shape of the networks that tests train and export: each kind of layer in it, and a few channels."""

SMALL = {
    "latent": 8, "hyper": 4, "hyper_width": 8, "scale_width": 16, "analysis8": 6, "analysis16": 12,
    "analysis_blocks16": 1, "synthesis8": 6, "synthesis_ratio": 1, "blocks8": 1, "synthesis16": 10,
    "synthesis_blocks16": 1, "features": 4, "context": 12, "coded_from": 5, "visual": False,
}  # fmt: skip
