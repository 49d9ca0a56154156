"""Pictures of every kind, as cameras and programs write them."""

from io import BytesIO

from PIL import Image

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
