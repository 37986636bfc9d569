"""Pieces by union-find, borders kept in a table that merging updates; returns int32."""

from collections import Counter


def enforce_connectivity(labels, min_size):
    """A graph of regions: sizes at its nodes, border lengths at its edges."""
    height, width = labels.shape
    parent = list(range(height * width))

    def find(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    flat = labels.ravel().tolist()
    pairs = [(i, i + 1) for i in range(height * width) if (i + 1) % width]
    pairs += [(i, i + width) for i in range((height - 1) * width)]
    for i, j in pairs:
        if flat[i] == flat[j]:
            a, b = find(i), find(j)
            parent[max(a, b)] = min(a, b)  # a root is the first pixel of its piece
    roots = [find(i) for i in range(height * width)]
    number = {root: n for n, root in enumerate(sorted(set(roots)))}
    piece = [number[root] for root in roots]

    size = Counter(piece)
    touching = {n: Counter() for n in size}
    for i, j in pairs:
        if piece[i] != piece[j]:
            touching[piece[i]][piece[j]] += 1
            touching[piece[j]][piece[i]] += 1
    goes_to = {}
    for n in sorted(size):
        if size[n] >= min_size or not touching[n]:
            continue
        longest = max(touching[n].values())
        target = min(r for r, length in touching[n].items() if length == longest)
        goes_to[n] = target
        size[target] += size[n]
        for r, length in touching.pop(n).items():
            del touching[r][n]
            if r != target:
                touching[r][target] += length
                touching[target][r] += length

    final = {}
    out = []
    for n in piece:
        while n in goes_to:
            n = goes_to[n]
        out.append(final.setdefault(n, len(final)))
    return np.array(out, np.int32).reshape(height, width)
