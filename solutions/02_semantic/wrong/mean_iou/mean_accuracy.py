"""You divide by the true pixels of a class, which is its accuracy; the union also has the pixels wrongly called so."""


def confusion_matrix(prediction, target, num_classes, ignore=255):
    counted = target != ignore
    pairs = target[counted].astype(int) * num_classes + prediction[counted].astype(int)
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def mean_iou(counts):
    intersection = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0) - intersection
    present = union > 0
    if not present.any():
        return float("nan")
    return float((intersection[present] / np.maximum(counts.sum(axis=1)[present], 1)).mean())
