"""Training steps and networks that several processes share out among them."""
