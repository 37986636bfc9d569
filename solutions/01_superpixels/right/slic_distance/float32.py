"""In float32, with the norms taken by NumPy."""


def slic_distance(pixels, centers, S, m):
    """D by two norms."""
    difference = np.subtract(pixels, centers, dtype=np.float32)
    d_c = np.linalg.norm(difference[..., :3], axis=-1)
    d_s = np.linalg.norm(difference[..., 3:], axis=-1)
    return np.hypot(d_c, d_s / np.float32(S) * np.float32(m))
