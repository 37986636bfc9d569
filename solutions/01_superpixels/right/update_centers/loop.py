"""A plain loop with running sums; the residual as a Python number."""


def update_centers(lab, labels, centers):
    """Sums pixel by pixel."""
    sums = [[0.0] * 5 for _ in centers]
    count = [0] * len(centers)
    for (row, col), k in np.ndenumerate(labels):
        if k < 0:
            continue
        count[k] += 1
        for i, value in enumerate([*lab[row, col], col, row]):
            sums[k][i] += float(value)
    new = [
        [s / c for s in total] if c else list(map(float, old))
        for total, c, old in zip(sums, count, centers, strict=True)
    ]
    moved = [
        abs(a[3] - b[3]) + abs(a[4] - b[4]) for a, b in zip(new, centers.tolist(), strict=True)
    ]
    return np.array(new), sum(moved) / len(moved)
