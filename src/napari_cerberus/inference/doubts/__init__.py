"""What speaks against a result, said before anybody relies on it."""
