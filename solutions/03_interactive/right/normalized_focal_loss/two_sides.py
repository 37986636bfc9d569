"""Object and background each by its own formula."""


def normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255):
    """beta times w over n is w over the sum of all w."""
    up, down = torch.sigmoid(logits), torch.sigmoid(-logits)
    on, off = (target == 1).float(), (target == 0).float()
    w = on * down**gamma + off * up**gamma
    cost = -alpha * on * F.logsigmoid(logits) - (1 - alpha) * off * F.logsigmoid(-logits)
    share = w / (w.sum((1, 2), keepdim=True).detach() + 1e-12)
    counted = (target != ignore).any(2).any(1)
    return (share * cost).sum() / counted.sum()
