"""You cut at plus and minus the offset; the cuts lie around the threshold."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > offset).sum(axis=(1, 2))
    outer = (logits > -offset).sum(axis=(1, 2))
    return np.where(outer > 0, inner / np.maximum(outer, 1), np.nan)
