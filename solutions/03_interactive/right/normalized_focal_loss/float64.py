"""In float64, with the cross-entropy of PyTorch."""


def normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255):
    """exp(-cross-entropy) is the probability of the truth."""
    valid = (target != ignore).double()
    truth = (target == 1).double()
    entropy = F.binary_cross_entropy_with_logits(logits.double(), truth, reduction="none")
    w = (1 - torch.exp(-entropy)) ** gamma * valid
    n = valid.flatten(1).sum(1)
    beta = n / (w.detach().flatten(1).sum(1) + 1e-12)
    factor = alpha * truth + (1 - alpha) * (1 - truth)
    each = (factor * w * entropy).flatten(1).sum(1) * beta / n.clamp(min=1)
    kept = n > 0
    return (each[kept].sum() / kept.sum()).float()
