"""From sorted logits: how many lie above a cut."""


def stability_score(logits, threshold=0.0, offset=1.0):
    """Binary search in each mask."""
    n = logits[0].size
    scores = np.full(len(logits), np.nan, np.float32)
    for k, values in enumerate(np.sort(logits.reshape(len(logits), n), axis=1)):
        high = n - np.searchsorted(values, threshold + offset, side="right")
        low = n - np.searchsorted(values, threshold - offset, side="right")
        if low:
            scores[k] = high / low
    return scores
