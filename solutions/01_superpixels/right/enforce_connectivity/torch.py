"""Pieces by spreading the lowest pixel number until nothing changes; returns a tensor."""

import torch


def enforce_connectivity(labels, min_size):
    """Label propagation, then region by region."""
    given = torch.as_tensor(labels)
    height, width = given.shape
    piece = torch.arange(height * width).reshape(height, width)
    down = given[1:] == given[:-1]
    across = given[:, 1:] == given[:, :-1]
    while True:
        before = piece.clone()
        for side, same in (
            ((piece[1:], piece[:-1]), down),
            ((piece[:, 1:], piece[:, :-1]), across),
        ):
            lower = torch.minimum(*side)
            for half in side:
                half.copy_(torch.where(same, torch.minimum(half, lower), half))
        if torch.equal(before, piece):
            break
    regions = torch.unique(piece, return_inverse=True)[1]
    for r in range(int(regions.max()) + 1):
        mine = regions == r
        if not 0 < int(mine.sum()) < min_size:
            continue
        border = torch.zeros(int(regions.max()) + 1, dtype=torch.long)
        for dim in (0, 1):
            n = regions.shape[dim] - 1
            a, b = regions.narrow(dim, 0, n), regions.narrow(dim, 1, n)
            for one, other in ((a, b), (b, a)):
                met = other[(one == r) & (other != r)]
                border.index_add_(0, met, torch.ones_like(met))
        if border.any():
            regions[mine] = int(torch.nonzero(border == border.max())[0])
    order = list(dict.fromkeys(regions.flatten().tolist()))
    final = torch.zeros(max(order) + 1, dtype=torch.long)
    final[order] = torch.arange(len(order))
    return final[regions]
