"""You leave out the label 255; the label to leave out is the argument `ignore`."""


def confusion_matrix(prediction, target, num_classes, ignore=255):
    counted = target != 255
    counted &= (target >= 0) & (target < num_classes) | (target == ignore)
    t = np.clip(target[counted].astype(int), 0, num_classes - 1)
    p = np.clip(prediction[counted].astype(int), 0, num_classes - 1)
    pairs = t * num_classes + p
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def mean_iou(counts):
    intersection = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0) - intersection
    present = union > 0
    if not present.any():
        return float("nan")
    return float((intersection[present] / union[present]).mean())
