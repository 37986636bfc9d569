from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
from torch import nn

from segedu.training import Recipe, with_overrides
from segedu.training.overrides import parse
from tests.training.toy import TOY


@pytest.mark.parametrize(
    ("text", "hint", "want"),
    [
        ("0.01", float, 0.01),
        ("1e-3", float, 0.001),
        ("2e4", int, 20_000),
        ("-3", int, -3),
        ("True", bool, True),
        ("none", float | None, None),
        ("0.5", float | None, 0.5),
        ("sgd", Literal["adamw", "sgd"], "sgd"),
        ("8,16, 32", Sequence[int], (8, 16, 32)),
        ("(8,)", tuple[int, ...], (8,)),
        ("8,16", list[int], [8, 16]),
        ("{'head.': 10}", Mapping[str, float], {"head.": 10}),
        ("same", str, "same"),
        ("0.5", Any, 0.5),
        ("valid", Any, "valid"),
    ],
)
def test_values_have_their_type(text: str, hint: Any, want: object) -> None:
    got = parse(text, hint, "key")
    assert got == want
    assert type(got) is type(want)


@pytest.mark.parametrize(
    ("text", "hint", "message"),
    [
        ("fast", float, "key=fast is not a number"),
        ("1.5", int, "key=1.5 is not a whole number"),
        ("yes", bool, "is not true or false"),
        ("adam", Literal["adamw", "sgd"], "is not one of adamw, sgd"),
        ("x", float | None, "is not a number or none"),
        ("1,b", Sequence[int], "key=1,b is not"),
        ("3", Mapping[str, float], "key=3 is not"),
    ],
)
def test_other_values_are_refused(text: str, hint: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text, hint, "key")


def test_fields_and_arguments_are_replaced() -> None:
    recipe = with_overrides(
        TOY, ["lr=1e-3", "clip=none", "model.width=4", "model.dropout=0", "data.n=9", "steps=7"]
    )
    assert (recipe.lr, recipe.clip, recipe.steps) == (1e-3, None, 7)
    assert recipe.model_args == {"width": 4, "dropout": 0.0}
    assert recipe.data_args == {"n": 9}
    assert TOY.model_args == {}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr", "'lr' is not key=value"),
        ("lrr=1", r"no 'lrr' \(did you mean lr\?\); it has \['best', 'steps'"),
        ("model.widht=3", r"tiny_net has no argument 'widht' \(did you mean model.width\?\)|width"),
        ("model.num_classes=3", "no argument 'num_classes'"),
        ("data.size=3", r"rectangles has no argument 'size'.*\['data.n'\]"),
        ("model=x", "no 'model'"),
        ("batch=0", "batch must be at least 1, got 0"),
        ("lr=-1", "lr must be positive"),
        ("ema=1", "ema must lie between 0 and 1, got 1.0; ema=none"),
        ("accumulate=3", "batch 4 is not a multiple"),
        ("precision=fp8", "precision=fp8 is not one of no, bf16, fp16"),
    ],
)
def test_wrong_overrides_are_named(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_overrides(TOY, [override])


def own_net(num_classes: int, channels: Sequence[int] = (4, 8), **more: int) -> nn.Module:
    return nn.Conv2d(3, num_classes, 1)


def test_a_recipe_survives_json() -> None:
    recipe = dataclasses.replace(
        TOY, model=own_net, model_args={"channels": (2, 3)}, lr_factors={"head.": 2.0}
    )
    text = json.dumps(recipe.to_dict())
    again = Recipe.from_dict(json.loads(text))
    assert again.to_dict() == recipe.to_dict()
    assert again.model is own_net
    with pytest.raises(ValueError, match=r"no function 'segedu\.nowhere:net'"):
        Recipe.from_dict({**recipe.to_dict(), "model": "segedu.nowhere:net"})
    with pytest.raises(ValueError, match=r"no colour; was it made by a newer segedu"):
        Recipe.from_dict({**recipe.to_dict(), "colour": 1})


def test_arguments_beyond_the_named_ones_are_guessed() -> None:
    recipe = dataclasses.replace(TOY, model=own_net)
    assert with_overrides(recipe, ["model.extra=3"]).model_args == {"extra": 3}
    assert with_overrides(recipe, ["model.channels=1,2"]).model_args == {"channels": (1, 2)}
