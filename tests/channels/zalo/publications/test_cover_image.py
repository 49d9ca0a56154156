"""Any picture becomes a cover that Zalo takes: upright, whole, small, and in little memory."""

from io import BytesIO

import pytest
from PIL import Image

from channels.errors import UnusableImage
from channels.zalo.publications import cover_image
from channels.zalo.publications.cover_image import WHITE
from tests.support.images import (
    BLUE,
    GREEN,
    ORIENTATION,
    RED,
    cover,
    image_bytes,
    near,
    new_image,
    stripes,
)

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def middle(image: Image.Image):
    return image.getpixel((image.width // 2, image.height // 2))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_of_every_format_becomes_a_cover(format):
    made = cover(image_bytes(new_image(), format))
    assert made.size == (1200, 675)
    assert near(middle(made), RED)


@pytest.mark.parametrize(
    ("mode", "color", "shown"),
    [
        ("L", 128, (128, 128, 128)),
        ("1", 1, WHITE),
        ("LA", (0, 0), WHITE),
        ("RGBA", (220, 30, 30, 0), WHITE),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("RGBA", (220, 30, 30, 255), RED),
        ("I;16", 0x8080, (128, 128, 128)),
    ],
)
def test_what_is_transparent_lies_on_white_and_gray_stays_gray(mode, color, shown):
    assert near(middle(cover(image_bytes(new_image(mode=mode, color=color), "PNG"))), shown)


def test_a_palette_with_a_hole_lies_on_white():
    image = Image.new("P", (800, 450), 1)
    image.putpalette([0, 0, 0, *RED])
    assert near(middle(cover(image_bytes(image, "PNG", transparency=1))), WHITE)
    assert near(middle(cover(image_bytes(image, "PNG"))), RED)


def test_a_jpeg_for_the_press_has_its_colours():
    body = image_bytes(new_image(mode="CMYK", color=(0, 255, 255, 0)), "JPEG")
    red, green, blue = middle(cover(body))
    assert red > 180
    assert max(green, blue) < 90


def test_an_animation_stands_still_at_its_first_frame():
    frames = [new_image((640, 360), color=color) for color in (GREEN, RED, BLUE)]
    body = image_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    made = cover(body)
    assert near(middle(made), GREEN)
    assert getattr(made, "n_frames", 1) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_as_its_camera_was_held(orientation):
    """With every EXIF orientation, red is on the left."""
    upright = stripes(1600, 900)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    lying = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    made = cover(image_bytes(lying, "JPEG", exif=exif, quality=95))
    assert made.size == (1200, 675)
    assert near(made.getpixel((60, 340)), RED)
    assert near(made.getpixel((1140, 340)), BLUE)


def test_exif_that_makes_no_sense_turns_nothing():
    body = image_bytes(
        stripes(1600, 900), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" + b"\xff" * 9
    )
    assert near(cover(body).getpixel((60, 340)), RED)


def test_nothing_else_of_the_file_comes_along():
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "Máy ảnh", {1: "N", 2: (21.0, 1.0, 42.0)}
    jpeg = image_bytes(
        new_image(), "JPEG", exif=exif, comment=b"ghi ch\xc3\xba", icc_profile=b"x" * 400
    )
    assert b"Exif" in jpeg
    made = cover_image.make_cover(jpeg)
    image = Image.open(BytesIO(made))
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert not image.getexif()
    assert b"Exif" not in made
    assert b"ICC_PROFILE" not in made


def test_the_same_picture_is_always_the_same_cover():
    body = image_bytes(stripes(1601, 907), "PNG")
    assert cover_image.make_cover(body) == cover_image.make_cover(body)


# ---- shape --------------------------------------------------------------------------------


def test_a_photo_is_cut_about_its_middle():
    made = cover(image_bytes(stripes(1200, 900), "PNG"))
    assert made.size == (1200, 675)
    assert near(made.getpixel((60, 5)), RED)
    assert near(made.getpixel((600, 670)), GREEN)


@pytest.mark.parametrize("size", [(800, 1100), (900, 900), (2400, 600)])
def test_a_poster_is_shown_whole_on_white(size):
    """Nothing of its words is cut off."""
    image = stripes(*size)
    made = cover(image_bytes(image, "PNG"))
    left, right = (made.getpixel((x, made.height // 2)) for x in (3, made.width - 4))
    top = made.getpixel((made.width // 2, 3))
    tall = size[0] / size[1] < 16 / 9
    assert near(left if tall else top, WHITE)
    assert near(right if tall else top, WHITE)
    colors = made.getcolors(made.width * made.height)
    for wanted in (RED, GREEN, BLUE):
        shown = sum(count for count, color in colors if near(color, wanted))
        assert shown > 0.1 * made.width * made.height


@pytest.mark.parametrize("size", [(320, 180), (640, 480), (100, 100), (300, 100)])
def test_a_small_picture_is_not_blown_up(size):
    made = cover(image_bytes(new_image(size), "PNG"))
    assert made.width <= max(size[0], round(size[1] * 16 / 9))


def test_a_picture_that_packs_badly_is_written_less_well():
    noise = Image.effect_noise((4000, 2250), 250)
    image = Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)])
    assert cover(image_bytes(image, "JPEG", quality=95)).size == (1200, 675)


def test_what_stays_too_large_is_no_cover(monkeypatch):
    monkeypatch.setattr(cover_image, "BYTES_MAX", 1000)
    with pytest.raises(UnusableImage, match="too large for a cover"):
        cover_image.make_cover(image_bytes(stripes(1600, 900), "PNG"))


@pytest.mark.parametrize(("size", "fits"), [((4000, 2500), True), ((4000, 2501), False)])
def test_a_webp_has_to_be_smaller_because_its_decoder_takes_more(size, fits):
    body = image_bytes(new_image(size), "WEBP", method=0)
    if fits:
        assert cover(body).size == (1200, 675)
        return
    with pytest.raises(UnusableImage, match="too many pixels"):
        cover_image.make_cover(body)
