"""An image cut in blocks: the objects are those of the whole, the memory that of a block."""
