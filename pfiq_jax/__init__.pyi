# ruff: noqa: I001
# The public names of pfiq_jax, in groups. Type checkers read this file, and `__init__.py` imports each name from here
# when it is first used: `import pfiq_jax` alone imports neither JAX nor anything else that is slow.

# Recognisers
from .recognizers import (
    ARCFACE_MXNET as ARCFACE_MXNET,
    ARCFACE_TORCH as ARCFACE_TORCH,
    Architecture as Architecture,
    Forward as Forward,
    InceptionResNetV1 as InceptionResNetV1,
    IResNet as IResNet,
    MobileFaceNet as MobileFaceNet,
    Preprocessing as Preprocessing,
    Provenance as Provenance,
    Recognizer as Recognizer,
    SFace as SFace,
    load_recognizer as load_recognizer,
)

# Quality of faces
from .quality import (
    QUALITY_METHODS as QUALITY_METHODS,
    SER_FIQ_VARIANTS as SER_FIQ_VARIANTS,
    SerFiqVariant as SerFiqVariant,
    cr_fiqa as cr_fiqa,
    face_quality as face_quality,
    faceqan as faceqan,
    grafiqs as grafiqs,
    learned as learned,
    magface as magface,
    prefiqs as prefiqs,
    relative_norm as relative_norm,
    ser_fiq as ser_fiq,
    ser_fiq_closed_form as ser_fiq_closed_form,
    unified_quality_score as unified_quality_score,
)

# What raw scores mean
from .calibration import PUBLISHED_SER_FIQ as PUBLISHED_SER_FIQ, Calibration as Calibration
from .quality import find_calibration as find_calibration

# Maps over the pixels
from .maps import (
    ACTIVATION_METHODS as ACTIVATION_METHODS,
    MAP_METHODS as MAP_METHODS,
    PixelQuality as PixelQuality,
    integrated_gradients as integrated_gradients,
    learned_order as learned_order,
    mean_activation as mean_activation,
    occlusion as occlusion,
    pixel_quality as pixel_quality,
    quality_map as quality_map,
    sampled_score_cam as sampled_score_cam,
    score_cam as score_cam,
    shapley as shapley,
    smooth_grad as smooth_grad,
)

# Recognisers adapted to quality
from .adapting import (
    fit_dropout_head as fit_dropout_head,
    fit_quality_head as fit_quality_head,
    split_statistics as split_statistics,
    training_forward as training_forward,
    with_parameters as with_parameters,
)

# Faces in photographs
from .detection import (
    Detector as Detector,
    Faces as Faces,
    detect as detect,
    find_faces as find_faces,
    load_detector as load_detector,
)

# Millions of faces
from .bulk import FaceScorer as FaceScorer

# Programs for other software
from .export import ExportedProgram as ExportedProgram, export_program as export_program

# Photographs, pictures, errors
from .errors import PfiqError as PfiqError
from .faces import align as align, demo_face as demo_face, read_image as read_image
from .plotting import plot_pixel_quality as plot_pixel_quality
from .version import __version__ as __version__
