"""Every table and picture of ``benchmarks/results``: the command that makes it, and what this command needs.

In the commands, DATA is the folder of the data (see ``docs/evidence/repeat.md``), OUT is where the results go, and MADE
is a folder of intermediate files, which are records too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LFW, PAIRS, DISTURBED = "lfw_dev", "lfw_dev_pairs.txt", "lfw_dev_degraded"
SFACE_WEIGHTS = "weights/sface/face_recognition_sface_2021dec_int8bq.onnx"
Y1_WEIGHTS = "weights/mobilefacenet_y1/model-0000.params"
YUNET_WEIGHTS = "weights/yunet/face_detection_yunet_2023mar_int8bq.onnx"


@dataclass(frozen=True)
class Record:
    """A command and the files that it makes.

    Attributes:
        files: the name of each file in the folder of results, and the name under which the command writes it in OUT.
        command: as it is typed, with DATA, OUT and MADE.
        minutes: about how long it takes on two CPU cores, or on the device that it needs.
        data: what it reads below DATA.
        packages: modules that it imports and that the library itself does not need.
        device: the kind of device that it needs, as JAX names it; empty if any will do.
        is_made: whether the files are intermediate ones, which lie in MADE.
    """

    files: Mapping[str, str]
    command: str
    minutes: float
    data: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    device: str = ""
    is_made: bool = False

    @property
    def name(self) -> str:
        """The first of its files."""
        return next(iter(self.files))

    @property
    def makes_from(self) -> tuple[str, ...]:
        """The names of the intermediate files that it reads."""
        return tuple(re.findall(r"\bMADE/([\w.]+)", self.command))


def _same(*names: str) -> Mapping[str, str]:
    return MappingProxyType({name: name for name in names})


def _report(name: str, kind: str) -> Mapping[str, str]:
    """A table that `pfiq evaluate KIND` writes as KIND.md."""
    return MappingProxyType({f"{name}.md": f"{kind}.md"})


def _scores(name: str, *, picture: bool, options: str = "") -> Record:
    methods = ("relative_norm", "ser_fiq_closed_form", "ser_fiq", "magface", "prefiqs", "grafiqs", "grafiqs_image")
    methods += ("grafiqs_block2", "grafiqs_block3", "grafiqs_block4", "random")
    qualities = " ".join(f"--quality {method}" for method in methods)
    files = {f"{name}.md": "scores.md"} | ({f"{name}.png": "scores.png"} if picture else {})
    command = f"pfiq evaluate scores DATA/{DISTURBED} {qualities}{options} -o OUT"
    return Record(MappingProxyType(files), command, 3, (DISTURBED,), ("matplotlib",))


def _maps(name: str, minutes: float, options: str) -> Record:
    command = f"pfiq evaluate maps MADE/lfw_dev_unseen{options} --json OUT/maps.json"
    return Record(_report(name, "maps"), command, minutes, (), ("matplotlib",))


def _experiment(name: str, kind: str, options: str) -> Record:
    command = f"pfiq evaluate {kind} MADE/lfw_dev_unseen {options} --json OUT/{kind}.json"
    return Record(_report(name, kind), command, 0.5, (), ("matplotlib",))


def _activations(name: str, minutes: float, folder: str, options: str, *, picture: bool = False) -> Record:
    files = {f"{name}.json": "report.json"} | ({"activations.png": "statistics.png"} if picture else {})
    command = f"pfiq activations DATA/{folder} {options} -o OUT"
    return Record(MappingProxyType(files), command, minutes, (folder,), ("matplotlib",))


ALTERNATIVES = (
    " --limit 12 --map contribution --map least_norm --map closed_form_gradient --map contribution_least_norm"
    " --map contribution_relative_norm --map contribution_ser_fiq_closed_form --map abs2 --map abs3 --map abs4"
    " --map unit_contribution --map unit_coherence --map occlusion_16"
)
CEILINGS = " --limit 12 --map contribution --map occlusion --map learned_order"
Y1, CALIBRATED_Y1 = " --recognizer MADE/y1.safetensors", " --recognizer MADE/y1_cal.safetensors"

MADE_RECORDS = (
    Record(
        _same("y1.safetensors"),
        f"weights-convert convert DATA/{Y1_WEIGHTS} OUT/y1.safetensors",
        0.5,
        (Y1_WEIGHTS,),
        is_made=True,
    ),
    Record(
        _same("y1_scaled.safetensors"),
        f"pfiq calibrate DATA/{DISTURBED} --recognizer MADE/y1.safetensors -o OUT/y1_scaled.safetensors",
        1,
        (DISTURBED,),
        is_made=True,
    ),
    Record(
        _same("y1_cal.safetensors"),
        "python -m benchmarks.good_faces DATA/lfw_dev --recognizer MADE/y1_scaled.safetensors"
        " --keep OUT/y1_cal.safetensors",
        4,
        (LFW,),
        is_made=True,
    ),
    Record(
        _same("lfw_dev_unseen"),
        "python -m benchmarks.unseen_people DATA/lfw_dev OUT/lfw_dev_unseen",
        0.1,
        (LFW,),
        is_made=True,
    ),
)

RESULT_RECORDS = (
    Record(_same("methods.md"), "python -m benchmarks.methods -o OUT/methods.md", 0.2),
    Record(_same("demo_face_quality.png"), "pfiq explain -o OUT", 0.5, (), ("matplotlib",)),
    # Scores
    _scores("scores", picture=True),
    _scores("scores_y1", picture=False, options=Y1),
    Record(
        _same("closed_form.md"),
        "python -m benchmarks.closed_form DATA/faces/aligned112 -o OUT/closed_form.md",
        4,
        ("faces/aligned112",),
    ),
    Record(
        _same("closed_form_evaluation.md"),
        "python -m benchmarks.closed_form_evaluation DATA/lfw_dev -o OUT/closed_form_evaluation.md",
        15,
        (LFW,),
    ),
    Record(
        _same("closed_form_evaluation_degraded.md"),
        f"python -m benchmarks.closed_form_evaluation DATA/{DISTURBED} -o OUT/closed_form_evaluation_degraded.md",
        3,
        (DISTURBED,),
    ),
    # Maps
    _maps("maps", 12, ""),
    _maps("maps_y1", 6, f" --limit 60{CALIBRATED_Y1}"),
    _maps("maps_alternatives", 15, f"{ALTERNATIVES} --map smooth_grad --map integrated_gradients"),
    _maps("maps_alternatives_y1", 4, f"{ALTERNATIVES}{CALIBRATED_Y1}"),
    _maps("maps_ceilings", 30, CEILINGS),
    _maps("maps_ceilings_y1", 14, f"{CEILINGS}{CALIBRATED_Y1}"),
    Record(_same("good_faces.md"), "python -m benchmarks.good_faces DATA/lfw_dev -o OUT/good_faces.md", 4, (LFW,)),
    _experiment("masks", "masks", "--limit 60"),
    _experiment("masks_black", "masks", "--limit 60 --cover black"),
    _experiment("inpainting", "inpainting", "--limit 40"),
    # Activation maps
    Record(
        _same("activation_maps.md"),
        f"python -m benchmarks.activation_maps DATA/lfw_dev DATA/{DISTURBED} --faces 2{CALIBRATED_Y1}"
        " -o OUT/activation_maps.md",
        4,
        (LFW, DISTURBED),
    ),
    _activations("activations_mean", 4, LFW, "--activation mean_activation --limit 692"),
    _activations("activations_sampled", 5, LFW, "--activation sampled_score_cam --limit 100", picture=True),
    _activations("activations_full", 23, LFW, "--activation score_cam --limit 40"),
    _activations("activations_degraded", 6, DISTURBED, "--activation sampled_score_cam --limit 100 --quantile 0.2"),
    Record(
        _same("activations.md"),
        "python -m benchmarks.activation_findings"
        " benchmarks/results/activations_mean.json benchmarks/results/activations_sampled.json"
        " benchmarks/results/activations_full.json benchmarks/results/activations_degraded.json -o OUT/activations.md",
        0.2,
    ),
    # Photographs, conversions
    Record(
        _same("photographs.md"),
        "python -m benchmarks.photographs DATA -o OUT/photographs.md",
        2,
        (LFW, PAIRS, "lfw_photos"),
    ),
    Record(
        _same("detection.md"),
        f"python -m benchmarks.detection DATA/lfw_photos DATA/{YUNET_WEIGHTS} -o OUT/detection.md",
        1,
        ("lfw_photos", YUNET_WEIGHTS),
        ("cv2",),
    ),
    Record(_same("conversion.md"), "python -m benchmarks.conversion -o OUT/conversion.md", 1, (), ("torch", "onnx")),
    Record(
        _same("verification.md"),
        "python -m benchmarks.verification DATA -o OUT/verification.md",
        6,
        (LFW, PAIRS, SFACE_WEIGHTS, Y1_WEIGHTS),
        ("torch", "onnx", "onnxruntime"),
    ),
    Record(
        _same("published_gradient.md"),
        "python -m benchmarks.published_gradient DATA/faces/aligned112 -o OUT/published_gradient.md",
        3,
        ("faces/aligned112",),
        ("torch",),
    ),
    # Speed
    Record(
        _same("cpu.md"),
        "python -m benchmarks.speed --data DATA -o OUT/cpu.md",
        3,
        (SFACE_WEIGHTS,),
        ("torch", "onnx", "onnxruntime"),
        "cpu",
    ),
    Record(
        _same("cpu_memory_given_back.md"),
        "python -m benchmarks.speed --rounds 5 --no-keep-memory --data DATA -o OUT/cpu_memory_given_back.md",
        3,
        (SFACE_WEIGHTS,),
        ("torch", "onnx", "onnxruntime"),
        "cpu",
    ),
    Record(_same("h200.md"), "python -m benchmarks.accelerator -o OUT/h200.md", 8, (), ("torch",), "NVIDIA H200"),
    Record(
        _same("precision.md"),
        f"python -m benchmarks.precision DATA/lfw_dev DATA/{DISTURBED}{CALIBRATED_Y1} -o OUT/precision.md",
        1.5,
        (LFW, DISTURBED),
        ("torch",),
    ),
    # Bulk
    Record(
        _same("bulk.md"), "python -m benchmarks.bulk DATA/lfw_dev --faces 400 -o OUT/bulk.md", 2, (LFW,), ("pyarrow",)
    ),
    Record(
        _same("bulk_memory.md"),
        "python -m benchmarks.bulk_memory DATA/lfw_dev -o OUT/bulk_memory.md",
        3,
        (LFW,),
        ("pyarrow",),
    ),
    Record(
        _same("interruptions.md"),
        "python -m benchmarks.interruptions DATA/lfw_dev --small -o OUT/interruptions.md",
        1.5,
        (LFW,),
        ("pyarrow",),
    ),
    Record(
        _same("ray_failure.md"),
        "python -m benchmarks.ray_failure DATA/lfw_dev -o OUT/ray_failure.md",
        1,
        (LFW,),
        ("ray", "pyarrow"),
    ),
    Record(_same("all_pairs.md"), "python -m benchmarks.all_pairs -o OUT/all_pairs.md", 0.5),
    # Adapting, export
    Record(
        _same("dropout_head.md"),
        "python -m benchmarks.dropout_head DATA -o OUT/dropout_head.md",
        4,
        (LFW, PAIRS, DISTURBED, SFACE_WEIGHTS, Y1_WEIGHTS),
        ("onnx",),
    ),
    Record(
        _same("quality_head.md"),
        "python -m benchmarks.quality_head DATA -o OUT/quality_head.md",
        7,
        (LFW, DISTURBED, SFACE_WEIGHTS, Y1_WEIGHTS),
        ("onnx",),
    ),
    Record(
        _same("export.md"),
        "python -m benchmarks.export DATA/lfw_dev -o OUT/export.md",
        1,
        (LFW,),
        ("torch", "onnxruntime", "jax2onnx"),
    ),
)

RECORDS = MADE_RECORDS + RESULT_RECORDS
