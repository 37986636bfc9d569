"""You count the pixels of the image that stay what they are; divide the masks' areas."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset).sum(axis=(1, 2))
    outer = (logits > threshold - offset).sum(axis=(1, 2))
    return np.where(outer > 0, 1 - (outer - inner) / logits[0].size, np.nan)
