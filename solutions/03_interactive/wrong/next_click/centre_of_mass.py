"""You click on the centre of mass of the error, which may even lie outside of it; click where it is deepest."""


def next_click(mask, truth, ignored=None):
    from scipy.ndimage import distance_transform_edt

    counted = np.ones(truth.shape, bool) if ignored is None else ~ignored
    depths = [
        distance_transform_edt(np.pad(error & counted, 1))[1:-1, 1:-1]
        for error in (mask & ~truth, truth & ~mask)  # covered, missing
    ]
    label = int(depths[1].max() > depths[0].max())
    if depths[label].max() == 0:
        return None
    y, x = (int(round(v.mean())) for v in np.nonzero(depths[label]))
    return int(x), int(y), label
