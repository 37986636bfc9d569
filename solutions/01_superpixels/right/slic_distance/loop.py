"""A plain loop over the broadcast pixels."""

import math


def slic_distance(pixels, centers, S, m):
    """D one by one."""
    p, q = np.broadcast_arrays(pixels, centers)
    out = np.zeros(p.shape[:-1])
    for index in np.ndindex(out.shape):
        dl, da, db, dx, dy = (float(u) - float(v) for u, v in zip(p[index], q[index], strict=True))
        d_c = math.sqrt(dl * dl + da * da + db * db)
        d_s = math.sqrt(dx * dx + dy * dy)
        out[index] = math.sqrt(d_c**2 + (d_s / S) ** 2 * m**2)
    return out if out.ndim else float(out)
