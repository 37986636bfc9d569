"""You count the pixels of all masks together; each mask has its own score."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset).sum() + np.zeros(len(logits))
    outer = (logits > threshold - offset).sum()
    return np.where(outer > 0, inner / np.maximum(outer, 1), np.nan)
