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
    'it needs the package dsdl, which segkit does not depend on; list the same files with BaseSegDataset.':
        'DSDLSegDataset',
    'it needs GDAL, which segkit does not depend on; LoadImageFromFile reads three channels.':
        'LoadSingleRSImageFromFile',
    "it needs albumentations, which segkit does not depend on; segkit's own transforms take its place.":
        'Albu',
    'it needs timm, which segkit does not depend on.\n'
    'One of your own can be registered in BACKBONES (CONTRIBUTING.md).':
        'TIMMBackbone',
    'it needs cityscapesscripts, which segkit does not depend on; IoUMetric gives mIoU.':
        'CityscapesMetric',
    'it makes one sample of several images, which the seeds of single samples do not cover.':
        'MultiImageMixDataset RandomMosaic',
    'init_model, inference_model and MMSegInferencer of segkit read what they are given without it.':
        'InferencerLoader',
    'it resizes the labels alone, or makes edges of them, for networks that are left out too.':
        'SegRescale GenerateEdge',
    'segkit has the backbones of the DeepLab family only.\n'
    'One of your own can be registered in BACKBONES (CONTRIBUTING.md).':
        'BEiT BiSeNetV1 BiSeNetV2 CGNet DDRNet ERFNet FastSCNN HRNet ICNet MAE MixVisionTransformer MSCAN '
        'PCPVT PIDNet ResNeSt ResNeXt STDCContextPathNet STDCNet SVT SwinTransformer UNet VisionTransformer',
    'it is a piece of a backbone or head that is left out.':
        'CLIPTextEncoder ClassificationCost CrossEntropyLossCost DeconvModule DiceCost HungarianAssigner InterpConv '
        'KernelUpdateHead KernelUpdator QuickGELU',
    'segkit has the decode heads of the DeepLab family only.\n'
    'One of your own can be registered in DECODE_HEADS (CONTRIBUTING.md).':
        'ANNHead APCHead CCHead DAHead DDRHead DMHead DNLHead DPTHead DepthwiseSeparableFCNHead EMAHead EncHead '
        'FPNHead GCHead ISAHead IterativeDecodeHead LRASPPHead LightHamHead Mask2FormerHead MaskFormerHead NLHead '
        'OCRHead PIDHead PSAHead PointHead SETRMLAHead SETRUPHead STDCHead SegformerHead '
        'SegmenterMaskTransformerHead SideAdapterCLIPHead UPerHead',
    'it compares the edges that a PIDNet head draws with an edge map, and heads here learn\n'
    'from labels alone. Take it out of loss_decode.':
        'BoundaryLoss',
    'it takes distance maps of every label on the CPU in each step.\n'
    'DiceLoss or LovaszLoss look at whole regions too.':
        'HuasdorffDisstanceLoss',
    'it compares two predictions, and a loss here gets scores and labels.\n'
    'Take it out of loss_decode.':
        'KLDivLoss',
    'segkit has no necks: its heads read the backbone as it is.':
        'FPN Feature2Pyramid ICNeck JPU MLANeck MultiLevelNeck',
    'its heads, one after the other, are not of the DeepLab family; EncoderDecoder is the segmentor here.':
        'CascadeEncoderDecoder',
    'it segments with the help of texts; EncoderDecoder is the segmentor here.':
        'MultimodalEncoderDecoder',
    'it is for transformers; the rates of parts are set by optim_wrapper.paramwise_cfg.':
        'ForceDefaultOptimWrapperConstructor LayerDecayOptimizerConstructor LearningRateDecayOptimizerConstructor',
    'PolyLR with eta_min, the last rate itself instead of its share of the first, takes its place.':
        'PolyLRRatio',
}
LIBRARIES = dict(mmpretrain='MMPretrain', mmcls='MMClassification', mmdet='MMDetection', mmrazor='MMRazor')
REASONS = {name: reason for reason, names in _GROUPS.items() for name in names.split()}


def why_left_out(name: str) -> Optional[str]:
    """Why segkit has no ``name`` of MMSegmentation's, or of a library that its configs name; None if it is neither."""
    library = name.split('.')[0]
    if library in LIBRARIES and '.' in name:
        return (f'it is of {LIBRARIES[library]}, which segkit does not depend on.\n'
                "A class of your own can be registered in segkit's registries (CONTRIBUTING.md).")
    return REASONS.get(name)
