from segkit.models.backbones import resnet  # noqa: F401
