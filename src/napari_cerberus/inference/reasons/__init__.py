"""What an answer rests on: tiles that it resembles, what hiding a part changes, and what stands behind an object."""
