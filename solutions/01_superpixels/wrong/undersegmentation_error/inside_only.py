"""You count the part inside, and never compare it with the part outside."""


def undersegmentation_error(labels, truth, ignore=255):
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        if len(inside) > 1:
            error += inside.sum()
    return float(error / labels.size)
