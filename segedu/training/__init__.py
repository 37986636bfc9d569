"""Training: recipes, one loop for all methods, checkpoints, scores.

Names are imported when they are first used, so that the command line starts without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segedu.training.checkpoints import TrainingError
    from segedu.training.evaluation import semantic_scores
    from segedu.training.log import LiveCurves, Progress, TensorBoard, TerminalBar, read_log
    from segedu.training.loop import train
    from segedu.training.overrides import with_overrides
    from segedu.training.recipe import Recipe, Splits
    from segedu.training.recipes import RECIPES, find_recipe
    from segedu.training.run import Result

_WHERE = {
    "LiveCurves": "log",
    "Progress": "log",
    "RECIPES": "recipes",
    "Recipe": "recipe",
    "Result": "run",
    "Splits": "recipe",
    "TensorBoard": "log",
    "TerminalBar": "log",
    "TrainingError": "checkpoints",
    "find_recipe": "recipes",
    "read_log": "log",
    "semantic_scores": "evaluation",
    "train": "loop",
    "with_overrides": "overrides",
}

__all__ = [
    "RECIPES",
    "LiveCurves",
    "Progress",
    "Recipe",
    "Result",
    "Splits",
    "TensorBoard",
    "TerminalBar",
    "TrainingError",
    "find_recipe",
    "read_log",
    "semantic_scores",
    "train",
    "with_overrides",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
