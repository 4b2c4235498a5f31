"""Have arrays of pixels read, as array programs and notebooks have them; needs numpy."""

from __future__ import annotations

import numpy as np

from inkqueue import Client


def a_drawn_one() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Draw a stroke from top to bottom, dark on light."""
    pixels = np.full((80, 60), 255, dtype=np.uint8)
    pixels[10:70, 27:34] = 0
    return pixels


def main() -> None:
    """Ask for one reading now, then for two as a job."""
    with Client() as client:
        reading = client.predict(a_drawn_one())
        print(reading.prediction, reading.confidence, reading.decision)
        job = client.submit([("left.png", a_drawn_one()), ("right.png", a_drawn_one())])
        for item in job.wait().results():
            print(item.name, item.prediction, item.confidence)


if __name__ == "__main__":
    main()
