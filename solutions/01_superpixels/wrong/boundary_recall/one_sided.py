"""You mark the pixel on one side of a border only; both pixels of the pair are boundary pixels."""


def boundary_recall(labels, truth, tolerance=2):
    wanted, drawn = boundary(truth), boundary(labels)
    if not wanted.any():
        return 1.0
    return near(wanted, drawn, tolerance) / wanted.sum()


def boundary(segments):
    found = np.zeros(segments.shape, bool)
    found[:-1] |= segments[:-1] != segments[1:]
    found[:, :-1] |= segments[:, :-1] != segments[:, 1:]
    return found


def near(wanted, drawn, t):
    return sum(drawn[max(y - t, 0) : y + t + 1, max(x - t, 0) : x + t + 1].any()
               for y, x in np.argwhere(wanted))
