"""You compute the Dice score of both masks; it is to be their IoU."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset).sum(axis=(1, 2))
    outer = (logits > threshold - offset).sum(axis=(1, 2))
    return np.where(outer > 0, 2 * inner / np.maximum(inner + outer, 1), np.nan)
