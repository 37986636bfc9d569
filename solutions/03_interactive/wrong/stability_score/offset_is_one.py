"""You cut 1 above and below the threshold; use the argument `offset`."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + 1).sum(axis=(1, 2))
    outer = (logits > threshold - 1).sum(axis=(1, 2))
    return np.where(outer > 0, inner / np.maximum(outer, 1), np.nan)
