"""Pieces by `scipy.ndimage.label`, borders by comparing shifted arrays."""

from scipy import ndimage


def enforce_connectivity(labels, min_size):
    """Whole-array operations, region by region."""
    pieces = np.zeros(labels.shape, int)
    count = 0
    for value in np.unique(labels):
        found, n = ndimage.label(labels == value)
        pieces[found > 0] = found[found > 0] + count
        count += n
    regions = in_reading_order(pieces)
    for r in range(count):
        mine = regions == r
        if not 0 < mine.sum() < min_size:
            continue
        across = [(np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])]
        along = [(np.s_[:, 1:], np.s_[:, :-1]), (np.s_[:, :-1], np.s_[:, 1:])]
        seen = [regions[b][mine[a] & ~mine[b]] for a, b in across + along]
        border = np.bincount(np.concatenate(seen))
        if border.size:
            regions[mine] = border.argmax()  # the first of equals: the lowest number
    return in_reading_order(regions)


def in_reading_order(regions):
    """Numbers 0, 1, 2, ... by the regions' first pixels."""
    number = {}
    flat = [number.setdefault(r, len(number)) for r in regions.ravel().tolist()]
    return np.array(flat).reshape(regions.shape)
