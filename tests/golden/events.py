"""Makes tests/golden/events.out.tfevents.golden with TensorBoard's own messages and record writer, and reads it back;
given a file or folder, prints the scalars that TensorBoard reads there.

    python tests/golden/events.py [EVENTS]        # needs tensorboard (2.21 made the file)
"""

import io
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

GOLDEN = Path(__file__).parent / "events.out.tfevents.golden"
STEPS = {
    1: {"train/loss": 3.25, "validation/CIDEr": 0.1},
    2: {"train/loss": 2.5, "validation/CIDEr": -1e-30},
    300: {"train/loss": 0.0},
}


def make() -> None:
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    writer.write(Event(wall_time=1_700_000_001.5, file_version="brain.Event:2").SerializeToString())
    for step, values in STEPS.items():
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        event = Event(wall_time=1_700_000_000.5 + step, step=step, summary=summary)
        writer.write(event.SerializeToString())
    GOLDEN.write_bytes(buffer.getvalue())


def show(path: str) -> None:
    events = EventAccumulator(path)
    events.Reload()
    for tag in sorted(events.Tags()["scalars"]):
        print(tag, [(event.step, event.value) for event in events.Scalars(tag)])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        show(sys.argv[1])
    else:
        make()
        show(str(GOLDEN))
