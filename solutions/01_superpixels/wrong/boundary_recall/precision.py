"""You count superpixel boundary pixels that have a true one nearby: that is precision, not recall."""


def boundary_recall(labels, truth, tolerance=2):
    wanted, drawn = boundary(labels), boundary(truth)
    if not boundary(truth).any():
        return 1.0
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
