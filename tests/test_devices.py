import jax
import numpy as np
import pytest

from pfiq_jax.devices import Devices


@pytest.mark.parametrize(
    ("batch_size", "devices", "rounded"), [(None, 8, 8), (1, 1, 1), (3, 3, 3), (8, 8, 8), (9, 8, 16)]
)
def test_batches_have_a_face_for_each_device(batch_size, devices, rounded):
    found = Devices.local(batch_size)
    assert len(found.devices) == devices
    assert found.rounded(batch_size or 1) == rounded


def test_each_device_gets_an_equal_part_of_a_batch():
    devices = Devices.local(8)
    batch = np.arange(32).reshape(16, 2)
    shards = devices.split(batch).addressable_shards
    assert [shard.data.tolist() for shard in shards] == [batch[start : start + 2].tolist() for start in range(0, 16, 2)]
    assert [shard.device for shard in shards] == jax.local_devices()


def test_parameters_are_copied_to_every_device_once():
    devices = Devices.local(None)
    everywhere = devices.replicate({"kernel": np.ones(3)})
    assert everywhere["kernel"].sharding.is_fully_replicated
    assert len(everywhere["kernel"].sharding.device_set) == 8
    again = devices.replicate(everywhere)
    pointers = [
        [shard.data.unsafe_buffer_pointer() for shard in each["kernel"].addressable_shards]
        for each in (everywhere, again)
    ]
    assert pointers[0] == pointers[1]


def test_one_device_gets_everything_as_it_is():
    devices, batch = Devices.local(1), np.zeros(3)
    assert devices.replicate(batch) is batch
    assert devices.split(batch) is batch
