"""You divide by the number of rows (`len`); N is the number of pixels."""


def undersegmentation_error(labels, truth):
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        error += np.minimum(inside, inside.sum() - inside).sum()
    return float(error / len(labels))
