"""Your score is nan where only the smaller mask is empty; there it is 0."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset).sum(axis=(1, 2))
    outer = (logits > threshold - offset).sum(axis=(1, 2))
    return np.where(inner > 0, inner / np.maximum(outer, 1), np.nan)
