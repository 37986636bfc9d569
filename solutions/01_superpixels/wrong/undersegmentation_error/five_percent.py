"""You leave out overlaps below 5 % of the superpixel, as an older definition does; Neubert and Protzel need no threshold."""


def undersegmentation_error(labels, truth, ignore=255):
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for s in np.unique(labels):
        _, inside = np.unique(truth[labels == s], return_counts=True)
        part = np.minimum(inside, inside.sum() - inside)
        error += part[part > 0.05 * inside.sum()].sum()
    return float(error / labels.size)
