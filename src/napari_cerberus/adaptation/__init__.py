"""Correct a corner, get the rest: a model learns in the open image, from areas that a person has finished.

``areas`` and ``lesson`` say what is right where; ``learn`` gives a temporary child of a model that reads this image
better, or the reason why nothing changed; ``again`` annotates the rest with it. Knows no screen.
"""
