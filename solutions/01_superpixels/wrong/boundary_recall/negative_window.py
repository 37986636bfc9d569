"""Near the border your window starts at a negative index, which NumPy counts from the other end."""


def boundary_recall(labels, truth, tolerance=2):
    wanted, drawn = boundary(truth), boundary(labels)
    if not wanted.any():
        return 1.0
    return near(wanted, drawn, tolerance) / wanted.sum()


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
    return sum(drawn[y - t : y + t + 1, x - t : x + t + 1].any() for y, x in np.argwhere(wanted))
