"""The largest pictures that may become an article's cover."""

import subprocess
import sys
from pathlib import Path

import pytest

from channels.zalo.publications.cover_image import WHITE
from tests.support.images import SIDEWAYS, cover, image_bytes, near, new_image

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")
ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_a_large_picture_looks_as_a_small_one_of_its_kind(mode):
    """It is made smaller before anything else is done, which must not show."""
    large, small = (new_image(size, "L", 255) for size in ((6400, 3600), (1280, 720)))
    for image in (large, small):
        image.paste(0, (0, 0, image.width // 2, image.height))
    shown = []
    for image in (large, small):
        made = cover(image_bytes(image.convert(mode), "PNG"))
        shown += [made.getpixel((made.width // 4, 9)), made.getpixel((3 * made.width // 4, 9))]
    assert near(shown[0], shown[2])
    assert near(shown[1], shown[3])
    assert near(shown[1], WHITE)


# ---- how much memory it takes ---------------------------------------------------------------

PEAK = """
import sys
from pathlib import Path
from channels.zalo.publications import cover_image

def peak_mb():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

small, large = (Path(name).read_bytes() for name in sys.argv[1:])
cover_image.make_cover(small)
before = peak_mb()
cover_image.make_cover(large)
print(peak_mb() - before)
"""


@pytest.mark.parametrize(
    ("format", "mode", "size"),
    [
        ("PNG", "RGBA", (8000, 5000)),
        ("PNG", "I;16", (8000, 5000)),
        ("PNG", "RGBA", (4799, 4799)),
        ("JPEG", "RGB", (8000, 5000)),
        ("WEBP", "RGBA", (4000, 2500)),
    ],
)
def test_the_largest_picture_takes_little_more_than_its_pixels(tmp_path, format, mode, size):
    """A process of its own, so its peak is that of the picture."""
    for name, large in (("small", (320, 180)), ("large", size)):
        image = new_image(large, mode, 0)
        (tmp_path / name).write_bytes(image_bytes(image, format, exif=SIDEWAYS))
    command = [sys.executable, "-c", PEAK, tmp_path / "small", tmp_path / "large"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert float(said.stdout) < 200
