"""Everything in Keras: networks, losses, data, the training loop, export. Only the commands train and export import it."""
