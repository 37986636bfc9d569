"""Without PyTorch: bilinear weights as two small matrices."""


def zoom_box(mask, clicks, expansion=1.4, min_size=200):
    """One axis at a time, from projections of the mask."""
    if not mask.any():
        return None
    box = ()
    for axis, (profile, name) in enumerate(((mask.any(1), 1), (mask.any(0), 0))):
        profile = profile.copy()
        for click in clicks:
            if click[2] == 1:
                profile[int(click[name])] = True
        a, b = np.flatnonzero(profile)[[0, -1]]
        h = max(expansion * (b - a + 1), min_size) / 2
        ends = np.round([(a + b) / 2 - h, (a + b) / 2 + h])
        box += tuple(np.clip(ends, 0, mask.shape[axis] - 1).astype(int))
    return box


def weights(small, large):
    """(large, small): how much of each value goes where."""
    place = np.linspace(0, small - 1, large) if large > 1 else np.zeros(1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(small)))


def paste_back(answer, box, height, width):
    """Rows, then columns, as products."""
    top, bottom, left, right = box
    rows = weights(answer.shape[0], bottom - top + 1)
    columns = weights(answer.shape[1], right - left + 1)
    whole = np.zeros((height, width), np.float32)
    whole[top : bottom + 1, left : right + 1] = rows @ answer @ columns.T
    return whole
