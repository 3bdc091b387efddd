"""Everything in Keras: networks, losses, data, the loop, export. Only the commands train and export import it."""
