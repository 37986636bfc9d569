"""You compare the smaller mask with that at the threshold; compare it with that at threshold - offset."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset).sum(axis=(1, 2))
    outer = (logits > threshold).sum(axis=(1, 2))
    return np.where(outer > 0, inner / np.maximum(outer, 1), np.nan)
