"""Pixel by pixel, click by click."""


def iou(mask, truth, ignored=None):
    """Count by hand."""
    both = either = 0
    for index, m in np.ndenumerate(mask):
        if ignored is not None and ignored[index]:
            continue
        both += int(m and truth[index])
        either += int(m or truth[index])
    return both / either if either else 1


def noc(curves, threshold, max_clicks=20):
    """Stop at the first that is good enough."""
    total = failures = 0
    for curve in curves:
        number = 0
        for value in curve:
            number += 1
            if number > max_clicks or value >= threshold:
                break
        else:
            number = max_clicks + 1
        if number > max_clicks:
            failures += 1
            number = max_clicks
        total += number
    return total / len(curves), failures
