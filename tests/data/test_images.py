"""Images of every color mode are decoded exactly, and detectable damage is rejected."""

import io
import struct
import zlib

import numpy as np
import pytest
from expected_errors import error_message
from PIL import ExifTags, Image, ImageOps

from aejax.data import images, memory
from aejax.data.images import IMAGES_PER_TASK, EncodedImage, decode_images
from aejax.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, kind, **options)
    return stream.getvalue()


def decoded(*contents: bytes, image_size: int | None = None) -> np.ndarray:
    return decode_images(
        [EncodedImage(f"image {i}", content) for i, content in enumerate(contents)], "the set", image_size
    )


def decode_error(*contents: bytes) -> str:
    return error_message(decoded, *contents)


def raw_png(bits: int, colour_type: int, pixels: bytes, size: tuple[int, int] = (1, 1)) -> bytes:
    """A PNG by the letter of its specification, for what Pillow does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "PPM"])
def test_lossless_formats_decode_exactly(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(encoded(COLOUR, kind, **options))[0], COLOUR)
    grey = decoded(encoded(GREY, kind, **options), encoded(255 - GREY, kind, **options))
    np.testing.assert_array_equal(grey[..., 0], [GREY, 255 - GREY])


def test_the_first_frame_of_a_gif_is_used():
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decoded(content)[0], GREY[..., None])


def test_order_is_kept_across_threads():
    count = 3 * IMAGES_PER_TASK + 1
    contents = [encoded(np.full((2, 2), i, np.uint8)) for i in range(count)]
    np.testing.assert_array_equal(decoded(*contents)[:, 0, 0, 0], np.arange(count))


PALETTE = Image.fromarray(GREY).convert("P")  # Pillow's own palette for this is grey
TWO_COLOURS = Image.new("P", (5, 6), 1)
TWO_COLOURS.putpalette([255, 0, 0, 10, 20, 30])
ALPHA = np.dstack([COLOUR, np.full((6, 5), 255, np.uint8)])
HALF_CLEAR = np.dstack([np.zeros((6, 5, 3), np.uint8), np.full((6, 5), 102, np.uint8)])
CMYK = np.zeros((6, 5, 4), np.uint8)


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        pytest.param(Image.fromarray(GREY > 99), "PNG", np.where(GREY > 99, 255, 0)[..., None], id="one bit"),
        pytest.param(Image.fromarray(GREY).convert("LA"), "PNG", GREY[..., None], id="opaque grey"),
        pytest.param(PALETTE, "PNG", GREY[..., None], id="a grey palette"),
        pytest.param(TWO_COLOURS, "PNG", np.full((6, 5, 3), (10, 20, 30)), id="a palette"),
        pytest.param(Image.fromarray(ALPHA), "PNG", COLOUR, id="opaque colour"),
        pytest.param(Image.fromarray(HALF_CLEAR), "PNG", np.full((6, 5, 3), 153), id="half clear black lies on white"),
        pytest.param(Image.fromarray(CMYK, "CMYK"), "JPEG", np.full((6, 5, 3), 255), id="no ink is white"),
    ],
)
@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_conversion_of_every_color_mode(image, kind, expected):
    np.testing.assert_array_equal(decoded(encoded(image, kind))[0], expected)


def test_transparent_palette_entries_blend_with_white():
    np.testing.assert_array_equal(decoded(encoded(TWO_COLOURS, transparency=1))[0], np.full((6, 5, 3), 255))


def test_one_color_image_gives_all_three_channels():
    both = decoded(encoded(GREY), encoded(COLOUR))
    np.testing.assert_array_equal(both[0], np.repeat(GREY[..., None], 3, axis=2))
    np.testing.assert_array_equal(both[1], COLOUR)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_is_applied(orientation, kind):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = encoded(COLOUR, kind, exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image if kind == "TIFF" else ImageOps.exif_transpose(image))  # Pillow turns TIFF itself
    np.testing.assert_array_equal(decoded(content)[0], expected)


def test_the_orientation_is_applied_next_to_a_tag_that_cannot_be_written_again():
    odd_width, orientation = struct.pack("<HHIi", 256, 9, 1, -5), struct.pack("<HHIHxx", 274, 3, 1, 6)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + odd_width + orientation + bytes(4)
    content = encoded(COLOUR, "PNG", exif=exif)
    np.testing.assert_array_equal(decoded(content)[0], np.rot90(COLOUR, -1))
    with Image.open(io.BytesIO(content)) as image, pytest.raises(struct.error):
        ImageOps.exif_transpose(image)


def test_the_first_picture_of_a_multi_picture_jpeg_is_used():
    first = Image.fromarray(np.full((8, 8, 3), 30, np.uint8))
    content = encoded(first, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), "white")])
    np.testing.assert_array_equal(decoded(content)[0], np.full((8, 8, 3), 30))


@pytest.mark.parametrize(
    ("content", "mentioned"),
    [
        pytest.param(encoded(GREY.astype(np.uint16)), "16 bits", id="16-bit grey"),
        pytest.param(raw_png(16, 2, bytes(6)), "16 bits", id="16-bit colour"),
        pytest.param(
            encoded(Image.fromarray(GREY), save_all=True, append_images=[Image.fromarray(255 - GREY)]),
            "holds 2 frames",
            id="an animation",
        ),
        pytest.param(encoded(GREY.astype(np.uint16), "TIFF"), "16 bits", id="16-bit TIFF"),
        pytest.param(encoded(GREY.astype(np.float32), "TIFF"), "16 bits a channel or more", id="float TIFF"),
        pytest.param(b"P6\n5 6\n65535\n" + bytes(180), "16 bits", id="16-bit PPM"),
        pytest.param(
            encoded(Image.fromarray(GREY), "TIFF", save_all=True, append_images=[Image.fromarray(GREY)]),
            "holds 2 frames",
            id="pages",
        ),
        pytest.param(b"label,x\n", "not an intact PNG, JPEG, WebP", id="text"),
        pytest.param(encoded(GREY, "SGI"), "not an intact PNG, JPEG, WebP", id="another format"),
        pytest.param(raw_png(8, 0, b"", (60_000, 60_000)), "Pillow's limit", id="a decompression bomb"),
        pytest.param(raw_png(8, 0, bytes(10), (5, 6)), "damaged", id="fewer pixels than announced"),
        pytest.param(raw_png(8, 3, bytes(35), (5, 6)), "damaged", id="a missing palette"),
    ],
)
def test_ambiguous_or_damaged_images_are_rejected_by_name(content, mentioned):
    message = decode_error(encoded(GREY), content)
    assert message.startswith("image 1: ")
    assert mentioned in message


def test_a_file_of_gigabytes_is_rejected_before_it_is_read(tmp_path):
    path = tmp_path / "0.png"
    path.write_bytes(encoded(GREY))
    with path.open("ab") as file:
        file.truncate(2 << 30)  # sparse
    message = error_message(decode_images, [EncodedImage("0.png", path)], "the set", None)
    assert message.startswith("0.png: holds more than 1 GiB")


@pytest.mark.parametrize("limit", [29, 14], ids=["up to twice the limit Pillow only warns", "above it raises"])
def test_pillows_pixel_limit_is_enforced(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert f"more than {limit} pixels" in decode_error(encoded(GREY))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    assert len(decoded(encoded(GREY))) == 1


def test_flipped_bits_of_a_png_never_change_pixels_silently():
    good = encoded(GREY)
    expected = decoded(good)
    rejected = 0
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        try:
            np.testing.assert_array_equal(decoded(bytes(damaged)), expected)
        except InputError as error:
            rejected += str(error).startswith("image 0: ")
    assert rejected >= len(good) - 16  # all but the checksum and name of the last, empty chunk


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_truncated_images_never_lose_pixels_silently(kind):
    good = encoded(COLOUR, kind)
    expected = decoded(good)
    for length in range(0, len(good), 3):
        try:
            np.testing.assert_array_equal(decoded(good[:length]), expected)
        except InputError:
            continue
        assert length >= len(good) - 12  # the end mark, not pixels


def test_the_first_damaged_image_is_named_and_others_listed_up_to_ten():
    assert decode_error(encoded(GREY), b"", encoded(GREY), b"").endswith("1 more cannot be used: image 3")
    assert decode_error(*[b""] * 12).endswith(
        f"11 more cannot be used: {', '.join(f'image {i}' for i in range(1, 11))}, ..."
    )


def test_differing_sizes_are_reported_with_two_examples():
    message = decode_error(encoded(GREY), encoded(GREY), encoded(np.zeros((4, 9), np.uint8)))
    assert message.startswith(
        "the set: images of 2 sizes: image 0 has 5 x 6 pixels and image 2 9 x 4; give --image-size"
    )


@pytest.mark.parametrize("size", [4, 17])
def test_image_size_resizes_all(size):
    resized = decoded(encoded(COLOUR), encoded(np.zeros((40, 2), np.uint8)), image_size=size)
    assert resized.shape == (2, size, size, 3)
    expected = Image.fromarray(COLOUR).resize((size, size), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(resized[0], np.asarray(expected))


def test_palettes_are_resized_in_color_space():
    stripes = Image.fromarray(np.tile(np.array([0, 1], np.uint8), (4, 2)))
    stripes.putpalette([0, 0, 0, 255, 255, 255])
    assert decoded(encoded(stripes), image_size=1)[0, 0, 0, 0] in (127, 128)


def test_memory_is_checked_before_decoding(monkeypatch):
    monkeypatch.setattr(memory, "available_host_memory", lambda: 2 * GREY.size - 1)
    monkeypatch.setattr(images, "_decode_image", lambda *args: pytest.fail("decoded"))
    message = decode_error(encoded(GREY), encoded(GREY))
    assert "the set: 2 images of 5 x 6" in message
    assert "60 B" in message
    assert "59 B left" in message
