"""Judging interactive methods on whole data sets: `segedu evaluate interactive`."""

from segedu.evaluation.interactive import METHODS, Evaluation, EvaluationError, evaluate, summarize

__all__ = ["METHODS", "Evaluation", "EvaluationError", "evaluate", "summarize"]
