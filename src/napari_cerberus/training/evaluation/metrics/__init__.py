"""What a prediction is worth, as sums that can be added: over tiles, over patients, over bootstrap samples.

Every comparison of a truth with a prediction gives *sums* (pixels, objects, areas, counts). Sums of several tiles are
added, and a figure (Dice, PQ, accuracy) is worked out from sums at the very end. So one formula serves a single tile,
a category, the whole set, and thousands of bootstrap samples at once.

Where a figure is not defined (nothing drawn and nothing predicted, say) it is NaN: **not counted**, never 0 or 1.
"""
