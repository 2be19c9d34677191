"""A drawn H&E tile of colon mucosa with exact truth: for samples, tests and a first look without patient data.

``make_tile`` draws; ``python -m napari_cerberus.synthetic FOLDER`` writes picture, labels and truth. Shown are
crypts cut across and lengthwise with pseudostratified basal nuclei and goblet cells, their lumina, a lamina
propria with lymphocytes, plasma cells, eosinophils and fibroblasts, and bare glass. It is a drawing: good for
checking how a program handles shapes, scales and ids, not for measuring how well a model reads tissue.
"""

from .paint_tile import make_tile
from .tile_settings import SyntheticTile, TileSettings

__all__ = ["SyntheticTile", "TileSettings", "make_tile"]
