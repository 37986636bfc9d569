"""You add up steps along rows and columns; distances are Euclidean."""


def next_click(mask, truth, ignored=None):
    from scipy.ndimage import distance_transform_cdt

    counted = np.ones(truth.shape, bool) if ignored is None else ~ignored
    depths = [
        distance_transform_cdt(np.pad(error & counted, 1), "taxicab")[1:-1, 1:-1]
        for error in (mask & ~truth, truth & ~mask)  # covered, missing
    ]
    label = int(depths[1].max() > depths[0].max())
    if depths[label].max() == 0:
        return None
    y, x = np.unravel_index(depths[label].argmax(), truth.shape)
    return int(x), int(y), label
