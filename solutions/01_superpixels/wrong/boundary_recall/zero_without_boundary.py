"""Where the truth has no boundary you return 0; there was nothing to find, so the course says 1."""


def boundary_recall(labels, truth, tolerance=2):
    wanted, drawn = boundary(truth), boundary(labels)
    return near(wanted, drawn, tolerance) / max(wanted.sum(), 1)


def boundary(segments):
    found = np.zeros(segments.shape, bool)
    down = segments[:-1] != segments[1:]
    across = segments[:, :-1] != segments[:, 1:]
    found[:-1] |= down
    found[1:] |= down
    found[:, :-1] |= across
    found[:, 1:] |= across
    return found


def near(wanted, drawn, t):
    return sum(drawn[max(y - t, 0) : y + t + 1, max(x - t, 0) : x + t + 1].any()
               for y, x in np.argwhere(wanted))
