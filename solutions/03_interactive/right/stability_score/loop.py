"""Mask by mask, with sets of pixels."""


def stability_score(logits, threshold=0.0, offset=1.0):
    """The IoU spelled out."""
    scores = []
    for mask in logits:
        high, low = mask > threshold + offset, mask > threshold - offset
        union = np.count_nonzero(high | low)
        scores.append(np.count_nonzero(high & low) / union if union else float("nan"))
    return np.array(scores)
