"""You divide by the number of rows (`len`); N is the number of pixels."""


def undersegmentation_error(labels, truth, ignore=255):
    rows = len(labels)
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        error += np.minimum(inside, inside.sum() - inside).sum()
    return float(error / rows)
