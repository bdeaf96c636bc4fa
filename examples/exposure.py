"""Choose exposure and white balance by face quality.

    python examples/exposure.py [-o exposure.png]

The bundled face is spoiled in three ways. Adam then finds the settings that maximise its quality: the exposure alone,
all of exposure, contrast and the gains of red and blue, or the exposure after grey world has chosen the gains. The loss
is the quality alone, so a higher quality proves nothing. What is measured is the cosine to the embedding of the
unspoiled face, which the loss does not contain. The baselines are the face as it is, and grey world, which
scales every channel to the mean 128, whatever the image shows.

The exposure by quality raises the cosine of the dark face from 0.63 to 0.97, grey world to 0.83. With all four settings
free the quality is higher in all rows. The flat face gains (0.90 to 0.94), the dark one loses (0.97 to 0.89), and the
colours are wrong: quality does not measure colour.
"""

import click
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from pfiq_jax import demo_face, face_quality, load_recognizer
from pfiq_jax.vectors import normalize

STEPS, RATE = 40, 0.15
SPOILED = {  # exposure (log2), contrast (log), gains of red and of blue (log2)
    "dark": [-4.5, 0.0, 0.0, 0.0],
    "dark, lamp light": [-3.0, 0.0, 0.8, -1.2],
    "flat": [-0.5, -2.0, 0.0, 0.0],
}
EXPOSURE, ALL = jnp.array([1.0, 0.0, 0.0, 0.0]), jnp.array([1.0, 1.0, 1.0, 1.0])  # which settings are free


def develop(settings, photos):
    """Photographs (batch, height, width, 3), 0..255, under settings (batch, 4)."""
    exposure, contrast, red, blue = settings.T
    gains = 2.0 ** jnp.stack([exposure + red, exposure, exposure + blue], -1)
    light = photos * gains[:, None, None]
    middle = jnp.mean(light, (1, 2, 3), keepdims=True)
    return jnp.clip(middle + (light - middle) * jnp.exp(contrast)[:, None, None, None], 0, 255)


def grey_world(photos, grey):
    """Photographs whose three channels have the same mean."""
    return np.clip(photos * grey / photos.mean((1, 2), keepdims=True), 0, 255)


def loss(settings, free, recognizer, photos):
    return -jnp.sum(face_quality(recognizer, develop(settings * free, photos)))  # photographs do not affect each other


def best_settings(free, recognizer, photos):
    optimizer = optax.adam(RATE)
    slope = jax.jit(jax.grad(loss))
    settings = jnp.zeros((len(photos), len(free)))
    state = optimizer.init(settings)
    for _ in range(STEPS):
        updates, state = optimizer.update(slope(settings, free, recognizer, photos), state)
        settings = optax.apply_updates(settings, updates)
    return settings * free


@click.command(help=__doc__.splitlines()[0])
@click.option("-o", "--output", default="exposure.png")
def main(output):
    recognizer = load_recognizer()
    face = demo_face().astype(np.float32)
    original = normalize(recognizer.embed(face))
    photos = develop(jnp.array(list(SPOILED.values())), jnp.stack([face] * len(SPOILED)))
    photos = np.rint(photos)  # to 8 bits, so that the dark loses something for good

    versions = {"as it is": photos, "grey world": grey_world(photos, 128)}
    balanced = grey_world(photos, photos.mean((1, 2, 3), keepdims=True))  # as dark as before
    for name, free, start in (
        ("exposure by quality", EXPOSURE, photos),
        ("all four by quality", ALL, photos),
        ("grey world, exposure", EXPOSURE, balanced),
    ):
        settings = best_settings(free, recognizer, start)
        versions[name] = np.asarray(develop(settings, start))
        for spoiled, found in zip(SPOILED, np.asarray(settings), strict=True):
            print(f"{name}, {spoiled}: settings {' '.join(f'{number:+.2f}' for number in found)}")

    figure, axes = plt.subplots(len(SPOILED), len(versions) + 1, figsize=(11, 6.2), layout="constrained")
    print(f"\n{'':21}{'face':17} quality  cosine  error in grey levels")
    for column, (name, images) in enumerate(versions.items()):
        qualities = face_quality(recognizer, images)
        cosines = normalize(recognizer.embed(images)) @ original
        errors = np.abs(images - face).mean((1, 2, 3))
        for row, spoiled in enumerate(SPOILED):
            print(f"{name:20} {spoiled:17} {qualities[row]:7.2f} {cosines[row]:7.2f} {errors[row]:6.0f}")
            axes[row, column].imshow(images[row].astype(np.uint8))
            axes[row, column].set_xlabel(f"quality {qualities[row]:.2f}, cosine {cosines[row]:.2f}")
            axes[row, 0].set_ylabel(spoiled)
        axes[0, column].set_title(name)
    for row in range(len(SPOILED)):
        axes[row, -1].imshow(face.astype(np.uint8))
    axes[0, -1].set_title("unspoiled")
    axes[-1, -1].set_xlabel(f"quality {face_quality(recognizer, face):.2f}, cosine 1.00")
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.savefig(output, dpi=110)
    print(f"\nwrote {output}")


if __name__ == "__main__":
    main()
