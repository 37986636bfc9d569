"""Training: recipes, one loop for all methods, checkpoints, scores."""

from segedu.training.checkpoints import TrainingError
from segedu.training.evaluation import semantic_scores
from segedu.training.log import LiveCurves, Progress, TensorBoard, TerminalBar, read_log
from segedu.training.loop import train
from segedu.training.overrides import with_overrides
from segedu.training.recipe import Recipe, Splits
from segedu.training.run import Result

__all__ = [
    "LiveCurves",
    "Progress",
    "Recipe",
    "Result",
    "Splits",
    "TensorBoard",
    "TerminalBar",
    "TrainingError",
    "read_log",
    "semantic_scores",
    "train",
    "with_overrides",
]
