"""A table of all curves, filled up with zeros; float32."""


def iou(mask, truth, ignored=None):
    """Look at the pixels that count."""
    counted = slice(None) if ignored is None else ~ignored
    m, t = mask[counted], truth[counted]
    hits, union = np.logical_and(m, t).sum(), np.logical_or(m, t).sum()
    return np.float32(1) if union == 0 else np.float32(hits / union)


def noc(curves, threshold, max_clicks=20):
    """A column that is always reached, after the last click."""
    table = np.zeros((len(curves), max_clicks + 1))
    for row, curve in zip(table, curves, strict=True):
        length = min(len(curve), max_clicks)
        row[:length] = curve[:length]
    reached = table >= threshold
    reached[:, -1] = True
    first = reached.argmax(axis=1)
    return np.minimum(first + 1, max_clicks).mean(), (first == max_clicks).sum()
