from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from segedu.images import to_tensor
from segedu.interactive import RITM, SAM, Click, Prompts, SegmentAnything
from segedu.interactive.ritm_network import ClickNetwork
from segedu.semantic import unet
from segedu.training.recipe import Recipe
from segedu.training.stream import fingerprint
from segedu.weights import load_shipped, read_card, shipped_names
from segedu.weights.shipped import (
    LARGEST,
    WeightsError,
    checkpoints_folder,
    in_half_precision,
    write_shipped,
)

CARD: dict[str, Any] = {
    "model": "segedu.semantic.unet:unet",
    "model_args": {"channels": [4, 8]},
    "classes": ["a", "b", "c"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    net = unet(3, channels=(4, 8))
    net(torch.rand(2, 3, 16, 16))  # running statistics that are not 0 and 1
    write_shipped("tiny", in_half_precision(net.state_dict()), CARD, tmp_path)
    torch.save(net.state_dict(), tmp_path / "state")
    return tmp_path


def test_what_is_written_is_loaded(folder: Path) -> None:
    net = load_shipped("tiny", folder=folder)
    assert not net.training
    state = torch.load(folder / "state", weights_only=True)
    for name, value in net.state_dict().items():
        assert value.dtype == state[name].dtype  # float32 again
        torch.testing.assert_close(value, state[name], atol=1e-3, rtol=1e-3)
        if value.ndim == 1:
            assert torch.equal(value, state[name])  # vectors are not rounded


def test_variances_beyond_half_precision_survive() -> None:
    state = {"var": torch.tensor([1e6]), "kernel": torch.ones(2, 2), "n": torch.tensor(3)}
    halved = in_half_precision(state)
    assert [halved[k].dtype for k in state] == [torch.float32, torch.float16, torch.int64]
    assert halved["var"].isfinite().all()


def test_damaged_and_missing_files_are_told(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"no checkpoint 'tyny' is shipped \(did you mean tiny"):
        load_shipped("tyny", folder=folder)
    path = folder / "tiny.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsError, match="not the file that its card describes"):
        load_shipped("tiny", folder=folder)
    path.unlink()
    with pytest.raises(WeightsError, match="is missing"):
        load_shipped("tiny", folder=folder)


def change_card(folder: Path, **changes: Any) -> None:
    card = read_card("tiny", folder) | changes
    (folder / "tiny.json").write_text(json.dumps(card))


def test_cards_that_do_not_fit_are_told(folder: Path) -> None:
    change_card(folder, model_args={"channels": [4, 6]})
    with pytest.raises(WeightsError, match=r"does not fit segedu\.semantic"):
        load_shipped("tiny", folder=folder)
    change_card(folder, model="os:system")
    with pytest.raises(WeightsError, match="must be the course's own"):
        load_shipped("tiny", folder=folder)
    change_card(folder, model="segedu.semantic.unet:u_net")
    with pytest.raises(WeightsError, match="has no segedu"):
        load_shipped("tiny", folder=folder)


def test_large_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="narrower"):
        write_shipped("big", {"w": torch.zeros(LARGEST // 4 + 1)}, CARD, tmp_path)
    assert not list(tmp_path.iterdir())


def test_all_shipped_checkpoints_fit_in_60_megabytes() -> None:
    files = list(checkpoints_folder().glob("*.safetensors"))
    assert {path.stem for path in files} == set(shipped_names())
    assert sum(path.stat().st_size for path in files) < 60e6
    semantic = [name for name in shipped_names() if ".semantic." in read_card(name)["model"]]
    assert len(semantic) > 10
    assert all(read_card(name)["bytes"] <= 4e6 for name in semantic)


def works(net: nn.Module, classes: list[str]) -> None:
    """Labels the pixels of an image, or finds what is under a click."""
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    if isinstance(net, SegmentAnything | ClickNetwork):
        method = SAM(net) if isinstance(net, SegmentAnything) else RITM(net)
        method.set_image(image)
        found = method.predict(Prompts(clicks=(Click(48, 32),)))
        assert found.mask.shape == (64, 96) and found.mask.dtype == bool
        return
    with torch.no_grad():
        logits = net(net.normalization.apply(to_tensor(image)[None]))
    assert logits.shape == (1, len(classes), 64, 96) and logits.isfinite().all()


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_checkpoints_are_what_their_cards_say(name: str) -> None:
    card = read_card(name)
    net = load_shipped(name)
    assert sum(p.numel() for p in net.parameters()) == card["parameters"]
    assert card["bytes"] == (checkpoints_folder() / f"{name}.safetensors").stat().st_size < LARGEST
    state = load_file(checkpoints_folder() / f"{name}.safetensors")
    assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    for key in ("recipe", "seed", "data", "steps", "scores", "train", "check", "licence"):
        assert card[key] is not None
    works(net, card["classes"])


@pytest.mark.parametrize("name", [name for name in shipped_names() if "scenes" in name])
def test_the_scenes_are_those_that_the_score_was_measured_on(name: str) -> None:
    card = read_card(name)
    recipe = Recipe.from_dict(card["recipe"])
    splits = recipe.data(**recipe.data_args)
    assert fingerprint(splits.test) == card["data_fingerprint"]
    assert list(splits.classes) == card["classes"]
