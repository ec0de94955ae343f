from segkit.models.backbones import mobilenet_v2, resnet  # noqa: F401
