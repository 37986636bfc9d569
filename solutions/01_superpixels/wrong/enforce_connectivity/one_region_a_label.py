"""You keep a label in several places as one region; every piece is a region of its own."""


def enforce_connectivity(labels, min_size):
    regions = np.full(labels.shape, -1)
    number = {}
    for index in np.ndindex(labels.shape):
        regions[index] = number.setdefault(int(labels[index]), len(number))
    pairs = [(regions[:-1], regions[1:]), (regions[:, :-1], regions[:, 1:])]
    for r in range(len(number)):
        if not 0 < (regions == r).sum() < min_size:
            continue
        border = {}
        for a, b in pairs:
            for one, other in ((a, b), (b, a)):
                for region in other[(one == r) & (other != r)]:
                    border[int(region)] = border.get(int(region), 0) + 1
        if border:
            regions[regions == r] = min(border, key=lambda region: (-border[region], region))
    _, first, index = np.unique(regions, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[index].reshape(labels.shape)
