"""The double sum, word for word."""


def undersegmentation_error(labels, truth):
    """Two loops and four counts."""
    total = 0
    for g in set(truth.ravel().tolist()):
        for s in set(labels.ravel().tolist()):
            inside = int(np.count_nonzero((labels == s) & (truth == g)))
            outside = int(np.count_nonzero((labels == s) & (truth != g)))
            total += min(inside, outside) if inside else 0
    return total / labels.size
