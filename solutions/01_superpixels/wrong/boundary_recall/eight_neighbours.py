"""You compare with all 8 neighbours; a boundary pixel has another label among its 4 neighbours."""


def boundary_recall(labels, truth, tolerance=2):
    wanted, drawn = boundary(truth), boundary(labels)
    if not wanted.any():
        return 1.0
    return near(wanted, drawn, tolerance) / wanted.sum()


def boundary(segments):
    padded = np.pad(segments, 1, mode="edge")
    height, width = segments.shape
    found = np.zeros(segments.shape, bool)
    for i in (0, 1, 2):
        for j in (0, 1, 2):
            found |= padded[i : i + height, j : j + width] != segments
    return found


def near(wanted, drawn, t):
    return sum(drawn[max(y - t, 0) : y + t + 1, max(x - t, 0) : x + t + 1].any()
               for y, x in np.argwhere(wanted))
