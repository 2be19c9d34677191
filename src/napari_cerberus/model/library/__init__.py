"""The models on this computer: what there is, which one is used, and everything that may be done with them."""
