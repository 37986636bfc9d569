"""You exchanged superpixels and segments: what counts is how a superpixel is cut by segments."""


def undersegmentation_error(labels, truth, ignore=255):
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for g in np.unique(truth):
        _, inside = np.unique(labels[truth == g], return_counts=True)
        error += np.minimum(inside, inside.sum() - inside).sum()
    return float(error / labels.size)
