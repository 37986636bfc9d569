"""You click into the error with more pixels; what counts is the depth."""


def next_click(mask, truth, ignored=None):
    from scipy.ndimage import distance_transform_edt

    counted = np.ones(truth.shape, bool) if ignored is None else ~ignored
    depths = [
        distance_transform_edt(np.pad(error & counted, 1))[1:-1, 1:-1]
        for error in (mask & ~truth, truth & ~mask)  # covered, missing
    ]
    area = [(d > 0).sum() for d in depths]
    label = int(area[1] > area[0])
    if depths[label].max() == 0:
        return None
    y, x = np.unravel_index(depths[label].argmax(), truth.shape)
    return int(x), int(y), label
