"""You count what lies outside the best segment, once for each superpixel; the sum runs over all segments it meets."""


def undersegmentation_error(labels, truth, ignore=255):
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        error += inside.sum() - inside.max()
    return float(error / labels.size)
