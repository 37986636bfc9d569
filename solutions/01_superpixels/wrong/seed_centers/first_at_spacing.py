"""Your grid starts at S; the first seed stands at S // 2."""


def squared_gradient(lab):
    padded = np.pad(np.asarray(lab, float), ((1, 1), (1, 1), (0, 0)), mode="edge")
    horizontal = padded[1:-1, 2:] - padded[1:-1, :-2]
    vertical = padded[2:, 1:-1] - padded[:-2, 1:-1]
    return (horizontal**2 + vertical**2).sum(axis=-1)


def seed_centers(lab, S):
    return _seeds(lab, S, S)


def _seeds(lab, S, start):
    height, width = lab.shape[:2]
    gradient = squared_gradient(lab)
    centers = []
    for y in range(start, height, S):
        for x in range(start, width, S):
            best = (y, x)
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    if gradient[v, u] < gradient[best]:
                        best = (v, u)
            centers.append([*lab[best], best[1], best[0]])
    return np.array(centers, float).reshape(-1, 5)
