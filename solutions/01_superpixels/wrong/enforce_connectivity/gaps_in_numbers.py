"""Your numbers have gaps after merging; number the regions that are left 0, 1, 2, ... in reading order."""


def enforce_connectivity(labels, min_size):
    height, width = labels.shape
    regions = np.full((height, width), -1)

    def neighbours(y, x):
        for v, u in ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)):
            if 0 <= v < height and 0 <= u < width:
                yield v, u

    members = []
    for seed in np.ndindex(height, width):
        if regions[seed] >= 0:
            continue
        regions[seed] = len(members)
        piece = [seed]
        for pixel in piece:
            for other in neighbours(*pixel):
                if regions[other] < 0 and labels[other] == labels[seed]:
                    regions[other] = len(members)
                    piece.append(other)
        members.append(piece)

    for number, pixels in enumerate(members):
        if not 0 < len(pixels) < min_size:
            continue
        border = {}
        for pixel in pixels:
            for other in neighbours(*pixel):
                if regions[other] != number:
                    border[regions[other]] = border.get(regions[other], 0) + 1
        if border:
            target = min(border, key=lambda region: (-border[region], region))
            for pixel in pixels:
                regions[pixel] = target
            members[target].extend(pixels)
            members[number] = []

    return regions
