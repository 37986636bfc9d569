"""At the border you compare with the other side of the image (`np.roll` does that); take the nearest pixel inside."""


def squared_gradient(lab):
    lab = np.asarray(lab, float)
    horizontal = np.roll(lab, -1, axis=1) - np.roll(lab, 1, axis=1)
    vertical = np.roll(lab, -1, axis=0) - np.roll(lab, 1, axis=0)
    return (horizontal**2 + vertical**2).sum(axis=-1)


def seed_centers(lab, S):
    height, width = lab.shape[:2]
    gradient = squared_gradient(lab)
    centers = []
    for y in range(S // 2, height, S):
        for x in range(S // 2, width, S):
            best = (y, x)
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    if gradient[v, u] < gradient[best]:
                        best = (v, u)
            centers.append([*lab[best], best[1], best[0]])
    return np.array(centers, float)
