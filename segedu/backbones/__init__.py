"""Networks that turn an image into feature maps; the sections build their methods on them."""
