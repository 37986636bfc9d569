"""You number the seeds column by column; reading order goes row by row."""


def squared_gradient(lab):
    padded = np.pad(np.asarray(lab, float), ((1, 1), (1, 1), (0, 0)), mode="edge")
    horizontal = padded[1:-1, 2:] - padded[1:-1, :-2]
    vertical = padded[2:, 1:-1] - padded[:-2, 1:-1]
    return (horizontal**2 + vertical**2).sum(axis=-1)


def seed_centers(lab, S):
    height, width = lab.shape[:2]
    gradient = squared_gradient(lab)
    centers = []
    for x in range(S // 2, width, S):
        for y in range(S // 2, height, S):
            best = (y, x)
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    if gradient[v, u] < gradient[best]:
                        best = (v, u)
            centers.append([*lab[best], best[1], best[0]])
    return np.array(centers, float)
