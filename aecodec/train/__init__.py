"""Training: networks, losses and the loop in Keras, export; without it what runs, logs and manifests are."""
