"""You scale `weights` in place; the next call gets them scaled already."""


def efficient_attention(x, height, width, weights, heads, reduction):
    batch, count, channels = x.shape
    depth = channels // heads
    for name in ("q.weight", "q.bias"):
        weights[name] /= depth**0.5
    queries = F.linear(x, weights["q.weight"], weights["q.bias"])
    tokens = x
    if reduction > 1:
        maps = x.transpose(1, 2).reshape(batch, channels, height, width)
        maps = F.conv2d(maps, weights["sr.weight"], weights["sr.bias"], stride=reduction)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = F.layer_norm(tokens, (channels,), weights["norm.weight"], weights["norm.bias"])
    keys, values = F.linear(tokens, weights["kv.weight"], weights["kv.bias"]).chunk(2, dim=-1)
    q, k, v = (
        part.reshape(batch, -1, heads, depth).transpose(1, 2) for part in (queries, keys, values)
    )
    attention = torch.softmax(q @ k.transpose(-2, -1), dim=-1)
    out = (attention @ v).transpose(1, 2).reshape(batch, count, channels)
    return F.linear(out, weights["proj.weight"], weights["proj.bias"])
