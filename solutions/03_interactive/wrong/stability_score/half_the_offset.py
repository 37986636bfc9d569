"""You cut half the offset above and below the threshold; it is the whole offset on each side."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset / 2).sum(axis=(1, 2))
    outer = (logits > threshold - offset / 2).sum(axis=(1, 2))
    return np.where(outer > 0, inner / np.maximum(outer, 1), np.nan)
