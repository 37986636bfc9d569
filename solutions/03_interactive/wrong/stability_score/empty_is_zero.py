"""Your score of an empty mask is 0; the course says nan, since there is nothing to measure."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset).sum(axis=(1, 2))
    outer = (logits > threshold - offset).sum(axis=(1, 2))
    return np.where(outer > 0, inner / np.maximum(outer, 1), 0.0)
