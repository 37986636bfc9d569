"""You number the pairs of labels in the maps' own type: in uint8 that overflows, and different pairs become one."""


def undersegmentation_error(labels, truth, ignore=255):
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    pairs = labels * (truth.max() + 1) + truth
    error = 0
    for pair in np.unique(pairs):
        mine = pairs == pair
        inside = mine.sum()
        outside = (labels == labels[mine][0]).sum() - inside
        error += min(inside, abs(outside))
    return float(error / labels.size)
