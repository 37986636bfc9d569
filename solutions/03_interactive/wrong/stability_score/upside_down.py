"""You divide the larger mask by the smaller one; the IoU is at most 1."""


def stability_score(logits, threshold=0.0, offset=1.0):
    inner = (logits > threshold + offset).sum(axis=(1, 2))
    outer = (logits > threshold - offset).sum(axis=(1, 2))
    with np.errstate(all="ignore"):
        return outer / inner
