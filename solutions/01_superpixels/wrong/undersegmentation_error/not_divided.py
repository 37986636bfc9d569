"""You return a number of pixels; divide by N."""


def undersegmentation_error(labels, truth):
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        error += np.minimum(inside, inside.sum() - inside).sum()
    return float(error)
