"""What MMSegmentation registers and segkit does not, and why, for the message about a name that is not known."""
from typing import Optional

# Reason (it stands behind "is left out here:" in the message) and the names it holds for.
_GROUPS = {
    'it reads two photos per sample, for change detection; segkit segments single photos.':
        'BaseCDDataset LEVIRCDDataset LoadMultipleRSImageFromFile ConcatCDInput',
    'it is for depth estimation; segkit segments.':
        'NYUDataset LoadDepthAnnotation RandomDepthMix DepthMetric DepthEstimator VPDDepthHead SiLogLoss VPD',
    'it is for volumes (three dimensions); segkit segments photos.':
        'DecathlonDataset LoadBiomedicalImageFromFile LoadBiomedicalAnnotation LoadBiomedicalData '
        'BioMedical3DRandomCrop BioMedical3DRandomFlip BioMedical3DPad BioMedicalGaussianNoise '
        'BioMedicalGaussianBlur BioMedicalRandomGamma',
    'it is for hyperspectral cubes in .npy files; segkit reads images of three channels.':
        'HSIDrive20Dataset LoadImageFromNpyFile',
    'it needs a package segkit does not depend on (dsdl, GDAL, albumentations, timm, cityscapesscripts).\n'
    "Instead: BaseSegDataset, LoadImageFromFile, segkit's own transforms, ResNetV1c, IoUMetric.":
        'DSDLSegDataset LoadSingleRSImageFromFile Albu TIMMBackbone CityscapesMetric',
    'it makes one sample of several images, which the seeds of single samples do not cover.':
        'MultiImageMixDataset RandomMosaic',
    'init_model, inference_model and MMSegInferencer of segkit read what they are given without it.':
        'InferencerLoader',
    'it resizes the labels alone, or makes edges of them, for networks that are left out too.':
        'SegRescale GenerateEdge',
    'segkit has the backbones of the DeepLab family only.\n'
    'One of your own can be registered in BACKBONES (CONTRIBUTING.md).':
        'BEiT BiSeNetV1 BiSeNetV2 CGNet DDRNet ERFNet FastSCNN HRNet ICNet MAE MixVisionTransformer MobileNetV3 '
        'MSCAN PCPVT PIDNet ResNeSt ResNeXt STDCContextPathNet STDCNet SVT SwinTransformer UNet VisionTransformer',
    'it is a piece of a backbone or head that is left out.':
        'CLIPTextEncoder ClassificationCost CrossEntropyLossCost DeconvModule DiceCost HungarianAssigner InterpConv '
        'KernelUpdateHead KernelUpdator QuickGELU',
    'segkit has the decode heads of the DeepLab family only.\n'
    'One of your own can be registered in DECODE_HEADS (CONTRIBUTING.md).':
        'ANNHead APCHead CCHead DAHead DDRHead DMHead DNLHead DPTHead DepthwiseSeparableFCNHead EMAHead EncHead '
        'FPNHead GCHead ISAHead IterativeDecodeHead LRASPPHead LightHamHead Mask2FormerHead MaskFormerHead NLHead '
        'OCRHead PIDHead PSAHead PointHead SETRMLAHead SETRUPHead STDCHead SegformerHead '
        'SegmenterMaskTransformerHead SideAdapterCLIPHead UPerHead',
    'it is a loss of networks that are left out.\n'
    'One of your own can be registered in LOSSES (CONTRIBUTING.md).':
        'BoundaryLoss HuasdorffDisstanceLoss KLDivLoss',
    'segkit has no necks: its heads read the backbone as it is.':
        'FPN Feature2Pyramid ICNeck JPU MLANeck MultiLevelNeck',
    'its heads, one after the other, are not of the DeepLab family; EncoderDecoder is the segmentor here.':
        'CascadeEncoderDecoder',
    'it segments with the help of texts; EncoderDecoder is the segmentor here.':
        'MultimodalEncoderDecoder',
    "it is for transformers; SGD's rates are set by optim_wrapper.paramwise_cfg and PolyLR.":
        'ForceDefaultOptimWrapperConstructor LayerDecayOptimizerConstructor LearningRateDecayOptimizerConstructor '
        'PolyLRRatio',
}
REASONS = {name: reason for reason, names in _GROUPS.items() for name in names.split()}


def why_left_out(name: str) -> Optional[str]:
    """Why segkit has no ``name`` of MMSegmentation's; None if it is not one of those."""
    return REASONS.get(name)
