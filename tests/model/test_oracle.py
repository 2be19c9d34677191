"""The published layout loads and gives the reference network's logits."""

import numpy as np
import pytest
import torch

from model.official_layout import OUR_KEY, filled_state, write_published
from napari_cerberus.model.published import load_published


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_folder_gives_the_reference_logits(oracle_dir, tmp_path, prefix):
    oracle = np.load(oracle_dir / "forward_448.npz")
    state = filled_state(oracle_dir / "official_state_dict_shapes.json", int(oracle["seed"]))
    model = load_published(write_published(tmp_path / "published", state, prefix))
    image = torch.from_numpy(oracle["image"]).permute(2, 0, 1)[None].float()
    if prefix:
        image = image[..., :64, :64]  # the names are what this case is about
    with torch.inference_mode():
        logits = model.network(image)
    if prefix:
        assert set(logits) == set(OUR_KEY.values())
        return
    for name, key in OUR_KEY.items():
        ours = logits[key][0].numpy()
        full = ours if key == "tissue" else ours[:, ::7, ::7]
        np.testing.assert_allclose(full, oracle[name], atol=1e-4)
        assert ours.mean() == pytest.approx(float(oracle[f"{name}/mean"]), abs=1e-4)
        assert ours.std() == pytest.approx(float(oracle[f"{name}/std"]), abs=1e-4)
