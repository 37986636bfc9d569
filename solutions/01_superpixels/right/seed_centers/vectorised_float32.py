"""All nine neighbours at once, in float32."""


def squared_gradient(lab):
    """G from shifted copies."""
    lab = lab.astype(np.float32)
    left, right = lab[:, np.r_[0, : lab.shape[1] - 1]], lab[:, np.r_[1 : lab.shape[1], -1]]
    above, below = lab[np.r_[0, : lab.shape[0] - 1]], lab[np.r_[1 : lab.shape[0], -1]]
    return np.square(right - left).sum(-1) + np.square(below - above).sum(-1)


def seed_centers(lab, S):
    """Seeds by one argmin over the own pixel and its neighbours."""
    height, width = lab.shape[:2]
    y, x = np.meshgrid(np.arange(S // 2, height, S), np.arange(S // 2, width, S), indexing="ij")
    y, x = y.ravel(), x.ravel()
    steps = [(0, 0)] + [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    padded = np.pad(squared_gradient(lab), 1, constant_values=np.inf)
    around = np.stack([padded[y + 1 + i, x + 1 + j] for i, j in steps])
    dy, dx = np.array(steps)[around.argmin(axis=0)].T
    y, x = y + dy, x + dx
    return np.column_stack([lab[y, x], x, y]).astype(np.float32)
