"""The helpers of the parity tests notice what they are there to notice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from tests import requirements_of_machine
from tests.parity import helpers
from tests.requirements_of_machine import REPOSITORY, MissingCheckoutError


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
    monkeypatch.setattr(requirements_of_machine, "REFERENCES", tmp_path)
    for owner, value in (("a", 1), ("b", 2)):
        folder = tmp_path / f"{owner}+net" / "models"
        folder.mkdir(parents=True)
        (folder / "net.py").write_text(f"VALUE = {value}\n")
    for owner, value in (("a", 1), ("b", 2)):
        with helpers.reference(f"{owner}+net") as load:
            assert value == load("models.net").VALUE


def test_a_reference_that_is_not_there_says_what_to_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(requirements_of_machine, "REFERENCES", tmp_path)
    (tmp_path / "another+net").mkdir()
    what = r"git clone https://github\.com/owner/net-2 FOLDER/owner\+net-2"
    with pytest.raises(MissingCheckoutError, match=what), helpers.reference("owner+net-2"):
        pass


def test_a_test_without_its_checkout_skips(tmp_path):
    """Though the folder of checkouts is there."""
    (tmp_path / "test_it.py").write_text(
        "from tests.requirements_of_machine import checkout\n"
        "def test_it():\n    checkout('owner+net-2')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "tests.conftest", "test_it.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "SEGEDU_REFERENCES": str(tmp_path)},
    )  # fmt: skip
    assert "1 check(s) skipped, a checkout of owner+net-2: git clone" in done.stdout, done.stdout
    assert "failed" not in done.stdout
