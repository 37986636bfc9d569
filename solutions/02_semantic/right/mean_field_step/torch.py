"""In PyTorch and float32: softmax(-U + message), since the Potts sum shifts all labels alike."""

import torch


def mean_field_step(image, unary, Q, w1, w2, theta_alpha, theta_beta, theta_gamma):
    """Features divided by their reach, so that one cdist gives the exponent."""
    labels, height, width = unary.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([x, y], -1).reshape(-1, 2).double()
    color = torch.as_tensor(np.array(image, np.float64)).reshape(-1, 3)
    beliefs = torch.as_tensor(np.array(Q)).double().reshape(labels, -1)
    message = torch.zeros_like(beliefs)
    both = torch.cat([place / theta_alpha, color / theta_beta], 1)
    for weight, features in ((w1, both), (w2, place / theta_gamma)):
        kernel = torch.exp(-(torch.cdist(features, features) ** 2) / 2)
        scale = kernel.sum(0).rsqrt()
        message += weight * ((beliefs * scale) @ kernel) * scale
    scores = message - torch.as_tensor(np.array(unary)).double().reshape(labels, -1)
    return torch.softmax(scores, 0).reshape(labels, height, width).float()
