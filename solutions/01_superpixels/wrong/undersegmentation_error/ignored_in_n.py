"""You divide by all pixels of the image; those without a segment are not among the N."""


def undersegmentation_error(labels, truth, ignore=255):
    size = labels.size
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        error += np.minimum(inside, inside.sum() - inside).sum()
    return float(error / size)
