"""The helpers of the parity tests notice what they are there to notice."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.parity import helpers


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


def test_randomized_models_have_no_defaults_left_and_depend_on_the_seed():
    model = helpers.randomize(small(), seed=3)
    bn = model[1]
    assert not torch.isin(bn.running_mean, torch.tensor(0.0)).any()
    assert (bn.running_var != 1).all() and (bn.weight != 1).all() and (bn.bias != 0).all()
    again, other = helpers.randomize(small(), seed=3), helpers.randomize(small(), seed=4)
    images = helpers.random_images(1, 3, 8, 8)
    assert helpers.assert_same(model, again, images) == 0
    with pytest.raises(AssertionError, match="differ by"):
        helpers.assert_same(model, other, images)


def test_a_reference_that_says_nothing_is_refused():
    flat = torch.zeros(1, 2, 4, 4)
    with pytest.raises(AssertionError, match="constant"):
        helpers.max_abs_difference(flat, flat)
    with pytest.raises(AssertionError, match="not finite"):
        helpers.max_abs_difference(flat / 0, flat / 0)
    with pytest.raises(AssertionError, match="ours"):
        helpers.max_abs_difference(flat, flat[:, :1])


def test_manifest_finds_a_dropped_tensor(tmp_path, monkeypatch):
    monkeypatch.setattr(helpers, "MANIFESTS", tmp_path)
    model = small()
    helpers.write_manifest("small", model.state_dict())
    assert helpers.read_manifest("small")["0.weight"] == (4, 3, 3, 3)
    helpers.assert_converts("small", lambda state: state, small())

    def twice_the_same(state):
        return {**state, "1.bias": state["1.weight"]}

    with pytest.raises(AssertionError, match=r"drops \['1.bias'\]"):
        helpers.assert_converts("small", twice_the_same, small())
    with pytest.raises(RuntimeError, match="Missing key"):
        helpers.assert_converts(
            "small", lambda state: {k: v for k, v in state.items() if k != "3.bias"}, small()
        )


def test_a_reference_leaves_no_module_behind(tmp_path, monkeypatch):
    """Two checkouts may both have a folder `models`, with or without `__init__.py`."""
    monkeypatch.setattr(helpers, "REFERENCES", tmp_path)
    for owner, value in (("a", 1), ("b", 2)):
        folder = tmp_path / f"{owner}+net" / "models"
        folder.mkdir(parents=True)
        (folder / "net.py").write_text(f"VALUE = {value}\n")
    for owner, value in (("a", 1), ("b", 2)):
        with helpers.reference(f"{owner}+net") as load:
            assert value == load("models.net").VALUE
