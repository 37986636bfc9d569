"""You count the pixels without a segment as one more segment; they count nowhere."""


def undersegmentation_error(labels, truth, ignore=255):
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        error += np.minimum(inside, inside.sum() - inside).sum()
    return float(error / labels.size)
