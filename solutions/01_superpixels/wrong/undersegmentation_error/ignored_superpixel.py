"""You also leave out the superpixel that happens to have the number `ignore`."""


def undersegmentation_error(labels, truth, ignore=255):
    drawn = (truth != ignore) & (labels != ignore)
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        error += np.minimum(inside, inside.sum() - inside).sum()
    return float(error / labels.size)
