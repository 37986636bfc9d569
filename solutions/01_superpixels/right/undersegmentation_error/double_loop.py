"""The double sum, word for word."""


def undersegmentation_error(labels, truth, ignore=255):
    """Two loops and four counts."""
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    total = 0
    for g in set(truth.ravel().tolist()):
        for s in set(labels.ravel().tolist()):
            inside = int(np.count_nonzero((labels == s) & (truth == g)))
            outside = int(np.count_nonzero((labels == s) & (truth != g)))
            total += min(inside, outside) if inside else 0
    return total / labels.size
