"""You count clicks from 0; the first click is number 1."""


def iou(mask, truth, ignored=None):
    counted = np.ones(truth.shape, bool) if ignored is None else ~ignored
    union = ((mask | truth) & counted).sum()
    return float((mask & truth & counted).sum() / union) if union else 1.0


def noc(curves, threshold, max_clicks=20):
    counts, failures = [], 0
    for curve in curves:
        reached = [n for n, value in enumerate(curve[:max_clicks]) if value >= threshold]
        counts.append(reached[0] if reached else max_clicks)
        failures += not reached
    return float(np.mean(counts)), int(failures)
