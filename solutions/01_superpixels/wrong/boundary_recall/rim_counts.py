"""You count the rim of the image as boundary; only neighbours inside the image are compared."""


def boundary_recall(labels, truth, tolerance=2):
    wanted, drawn = boundary(truth), boundary(labels)
    return near(wanted, drawn, tolerance) / wanted.sum()


def boundary(segments):
    padded = np.pad(segments.astype(float), 1, constant_values=np.inf)
    found = np.zeros(segments.shape, bool)
    for other in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        found |= other != segments
    return found


def near(wanted, drawn, t):
    return sum(drawn[max(y - t, 0) : y + t + 1, max(x - t, 0) : x + t + 1].any()
               for y, x in np.argwhere(wanted))
