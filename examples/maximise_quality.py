"""See what maximising quality alone does to a face, and how to notice it.

    python examples/maximise_quality.py [--second WEIGHTS] [-o maximise_quality.png]

Each channel of each pixel of the bundled face may change by at most two grey levels, which nobody sees. Gradient ascent
on the quality raises the score, while the face stays as it is. The controls are random changes of the same size, and
the face shrunk to half its size.

Measured is what gives this away. The quality rises from 0.69 to 0.9995, but the raw score of 1525 exceeds that of all
faces of the calibration, 1093. It rises by 80%, that of a second recogniser by 2.9%, less than by shrinking the face
(3.4%; WEIGHTS is MobileFaceNet y1, as weights-convert writes it). The deficit map shows the same lack as before.

Also measured is what does not give it away. Mirroring, JPEG and noise leave the quality above 0.95, and the score of
the maximised face is less sensitive to its pixels than before.
"""

import io

import click
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from pfiq_jax import demo_face, face_quality, find_calibration, load_recognizer, pixel_quality, relative_norm
from pfiq_jax.plot_style import deficit_bar
from pfiq_jax.plotting import draw_deficit

LEVELS, STEPS, RATE = 2, 40, 0.25
LACK = 0.95  # deficits above it are shares of good faces that at most one pixel in twenty of a good face reaches


def maximise(recognizer, face):
    """The face after gradient ascent on the signs of the gradient, as whole grey levels."""
    slope = jax.jit(jax.grad(lambda image, recognizer: face_quality(recognizer, image)))
    change = jnp.zeros_like(face)
    for _ in range(STEPS):
        ascent = jnp.sign(slope(jnp.clip(face + change, 0, 255), recognizer))
        change = jnp.clip(change + RATE * ascent, -LEVELS, LEVELS)
    return np.asarray(jnp.clip(jnp.rint(face + change), 0, 255))


def shrink(face):
    small = Image.fromarray(face.astype(np.uint8)).resize((56, 56), Image.Resampling.BOX)
    return np.asarray(small.resize((112, 112), Image.Resampling.BICUBIC), np.float32)


def jpeg(face):
    file = io.BytesIO()
    Image.fromarray(face.astype(np.uint8)).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file), np.float32)


def noisy(face):
    return np.clip(face + 4 * np.random.default_rng(0).standard_normal(face.shape), 0, 255).astype(np.float32)


@click.command(help=__doc__.splitlines()[0])
@click.option("--second", type=click.Path(exists=True), help="Weights of a second recogniser.")
@click.option("-o", "--output", default="maximise_quality.png")
def main(second, output):
    recognizer = load_recognizer()
    face = demo_face().astype(np.float32)
    random = face + np.random.default_rng(0).choice(np.float32([-LEVELS, LEVELS]), face.shape)
    faces = {
        "original": face,
        "maximised": maximise(recognizer, face),
        "random": np.clip(random, 0, 255),
        "shrunk": shrink(face),
    }
    images = np.stack(list(faces.values()))
    quality, raw = face_quality(recognizer, images), relative_norm(recognizer, images)
    highest = find_calibration(recognizer, "relative_norm").percentiles[-1]
    deficit = pixel_quality(recognizer, images[:2]).deficit
    treated = np.stack([treat(image) for image in images[:2] for treat in (np.fliplr, jpeg, noisy)])
    survives = np.asarray(face_quality(recognizer, treated)).reshape(2, 3)
    slope = jax.jit(jax.grad(lambda images, recognizer: jnp.sum(jnp.log(relative_norm(recognizer, images)))))
    steepness = jnp.linalg.norm(slope(jnp.asarray(images[:2]), recognizer).reshape(2, -1), axis=1)
    gains = {"SFace (maximised)": raw / raw[0] - 1}
    if second:
        other = relative_norm(load_recognizer(second), images)
        gains["second recogniser"] = other / other[0] - 1

    print(f"quality: original {quality[0]:.2f}, maximised {quality[1]:.4f}, random changes {quality[2]:.2f}")
    print(f"raw score: original {raw[0]:.0f}, maximised {raw[1]:.0f}, highest of the calibration {highest:.0f}")
    for name, gain in gains.items():
        changes = [f"{kind} {change:+.1%}" for kind, change in zip(faces, gain, strict=True)]
        print(f"{name}, change of the raw score: {', '.join(changes[1:])}")
    lack = jnp.mean(deficit > LACK, (1, 2))
    print(f"pixels with a deficit above {LACK}: original {lack[0]:.1%}, maximised {lack[1]:.1%}")
    for name, left in zip(faces, survives, strict=False):
        print(f"quality of the {name}, mirrored {left[0]:.2f}, as JPEG {left[1]:.2f}, with noise {left[2]:.2f}")
    print(f"gradient of log raw score: original {steepness[0]:.4f}, maximised {steepness[1]:.4f} per grey level")

    figure, axes = plt.subplots(2, 3, figsize=(10, 6.5), layout="constrained")
    for column, name in enumerate(("original", "maximised")):
        axes[0, column + 1].imshow(images[column].astype(np.uint8))
        axes[0, column + 1].set_title(f"{name}: quality {quality[column]:.2f}")
        drawn = draw_deficit(axes[1, column + 1], deficit[column])
        axes[1, column + 1].set_title(f"deficit above {LACK}: {lack[column]:.0%}", fontsize="medium")
    deficit_bar(drawn, [axes[1, 2]])
    axes[0, 0].imshow((127.5 + 30 * (images[1] - face)).astype(np.uint8))
    axes[0, 0].set_title("their difference, times 30")
    for panel in (*axes[0], *axes[1, 1:]):
        panel.set(xticks=[], yticks=[])
    for (name, gain), colour, marker in zip(gains.items(), ("#0072B2", "#E69F00"), "os", strict=False):
        axes[1, 0].plot(100 * gain[1:], list(faces)[1:], marker, color=colour, label=name, fillstyle="none")
    axes[1, 0].set(xlabel="change of the raw score, %", ylim=(2.5, -0.5))
    axes[1, 0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    figure.savefig(output, dpi=110)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
