"""You go through 0 ... max, so negative labels are left out; labels may be any integers."""


def undersegmentation_error(labels, truth, ignore=255):
    drawn = truth != ignore
    labels, truth = labels[drawn], truth[drawn]
    error = 0
    for s in range(labels.max() + 1):
        segments = truth[labels == s]
        for g in range(truth.max() + 1):
            inside = (segments == g).sum()
            error += min(inside, len(segments) - inside)
    return float(error / labels.size)
