"""Pictures of every kind, as cameras and programs write them."""

from io import BytesIO

from PIL import Image

from channels.zalo.publications import cover_image
from channels.zalo.publications.cover_image import BYTES_MAX

ORIENTATION = 0x0112
SIDEWAYS = Image.Exif()
SIDEWAYS[ORIENTATION] = 6
RED, GREEN, BLUE = (220, 30, 30), (30, 200, 30), (30, 30, 220)


def new_image(size=(1600, 900), mode="RGB", color=RED) -> Image.Image:
    return Image.new(mode, size, color)


def stripes(width, height) -> Image.Image:
    """Red, green and blue thirds, side by side."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 3, 0, 2 * width // 3, height))
    image.paste(BLUE, (2 * width // 3, 0, width, height))
    return image


def image_bytes(image: Image.Image, format: str, **more) -> bytes:
    file = BytesIO()
    image.save(file, format, **more)
    return file.getvalue()


def cover(body: bytes) -> Image.Image:
    """The cover, as another program reads it."""
    made = cover_image.make_cover(body)
    assert len(made) <= BYTES_MAX
    image = Image.open(BytesIO(made))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    width, height = image.size
    assert width <= 1200
    assert abs(width / height - 16 / 9) < 0.03
    return image


def near(color, wanted) -> bool:
    return all(abs(a - b) < 12 for a, b in zip(color, wanted, strict=True))
