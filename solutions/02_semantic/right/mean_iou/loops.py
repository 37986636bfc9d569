"""Pixel by pixel, class by class."""

import math


def confusion_matrix(prediction, target, num_classes, ignore=255):
    """Count in a dictionary of pairs, then write them down."""
    counts = [[0] * num_classes for _ in range(num_classes)]
    for i, j in zip(target.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if i != ignore:
            counts[i][j] += 1
    return np.array(counts)


def mean_iou(counts):
    """A list of the classes that occur."""
    scores = []
    for c in range(len(counts)):
        union = counts[c].sum() + counts[:, c].sum() - counts[c, c]
        if union:
            scores.append(counts[c, c] / union)
    return sum(scores) / len(scores) if scores else math.nan
